"""One file for each step; applied in order, never changed once released."""
