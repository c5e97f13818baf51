"""The borderscout command."""
