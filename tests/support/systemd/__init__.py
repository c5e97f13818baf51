"""A systemd of a test's own, in which rendered units really run."""
