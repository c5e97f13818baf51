"""Engines, filters and mail for them."""
