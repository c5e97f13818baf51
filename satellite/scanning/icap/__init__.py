"""ICAP, the language of commercial scanners: one session, its heads, and what an answer means."""
