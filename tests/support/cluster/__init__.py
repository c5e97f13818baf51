"""A whole cluster, and the command line that its people type."""
