"""A spool's life, and what must be left of it."""
