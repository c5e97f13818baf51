"""Ham and spam with their truth, and what the filters make of them: docs/spam-corpus.md."""
