"""Rooms together with real servers."""
