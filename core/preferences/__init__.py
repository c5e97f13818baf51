"""What publishing and rolling back make of the preferences."""
