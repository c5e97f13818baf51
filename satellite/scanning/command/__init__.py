"""Scanners that are programs: which there are, how one is run, and what its end means."""
