"""Delivery over a real spool, under a clock that tests move."""
