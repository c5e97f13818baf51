"""Judging over a real spool, beside engines and filters that say what a test wants."""
