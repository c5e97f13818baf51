"""The crash-safe store in the middle of the house."""
