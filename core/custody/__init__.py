"""The quarantine's custody: how mail arrives, where its bodies are, how it leaves again."""
