"""What was kept for long enough goes, a little at a time."""
