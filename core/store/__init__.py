"""The core's database; the only room that knows SQL."""
