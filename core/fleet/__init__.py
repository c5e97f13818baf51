"""The satellites as the core sees them: what each one said, and what it is told."""
