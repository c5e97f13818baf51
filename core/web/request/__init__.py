"""What every request meets: who asks, what it may use, and how the answer says what is wrong."""
