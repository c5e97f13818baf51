"""The core's HTTP face."""
