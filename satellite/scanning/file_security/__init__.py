"""The language of Trend Vision One File Security: one exchange, and what its result says."""
