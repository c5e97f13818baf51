"""Text of the files that a node needs."""
