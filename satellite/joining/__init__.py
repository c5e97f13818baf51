"""How a node joins, and keeps its keys fresh."""
