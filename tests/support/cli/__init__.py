"""Somebody who types commands."""
