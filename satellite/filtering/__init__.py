"""Spam filters and the score."""
