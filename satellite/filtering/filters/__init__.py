"""One file for each filter, strangers to each other."""
