"""Sets of virus definitions, and a core that serves them well or badly."""
