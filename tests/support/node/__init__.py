"""A node's processes, and its parts without any."""
