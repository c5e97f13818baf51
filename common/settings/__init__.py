"""The files of settings: what may stand in each, and how one is read."""
