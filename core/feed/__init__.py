"""The feed of preferences to the satellites."""
