"""Holds everybody's preferences, pushes them out, and takes in records and quarantined mail."""
