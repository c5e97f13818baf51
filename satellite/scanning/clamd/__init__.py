"""clamd's own language: one session, what its answers mean, and its control commands."""
