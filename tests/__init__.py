"""The tests of Border Scout."""
