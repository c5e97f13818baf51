"""Lessons: mail of which people said what it is, on its way to the filters that learn from it."""
