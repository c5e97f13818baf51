"""Talking to the next hop: connections, sessions, transactions."""
