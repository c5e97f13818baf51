"""The wire of Trend Vision One File Security."""
