"""Quarantined mail: cases, bodies, release."""
