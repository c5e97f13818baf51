"""What was counted lately: at this worker, and at all others as the core tells."""
