"""Virus definitions as the core offers them: fetched, put where the engine reads, and loaded."""
