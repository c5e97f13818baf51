"""Mail as it occurs in the world, written by us; ``make.py`` makes the files beside it."""
