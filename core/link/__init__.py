"""The core's end of the link."""
