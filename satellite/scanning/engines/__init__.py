"""One file for each engine, strangers to each other."""
