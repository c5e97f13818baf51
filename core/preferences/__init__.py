"""Preference documents: publishing, history, and the feed to the satellites."""
