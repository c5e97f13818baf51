"""The REST API; the command line is its first client."""
