"""Virus engines, run in parallel on the stored message."""
