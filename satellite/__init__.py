"""Accepts, scans and delivers mail at one site."""
