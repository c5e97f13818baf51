"""What a quarantined message and its release may be, and what may follow."""
