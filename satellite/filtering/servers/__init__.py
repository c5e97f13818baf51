"""The programs of others that filters ask: the ways to them, and what they say."""
