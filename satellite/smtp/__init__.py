"""The front end on port 25."""
