"""A whole cluster, as its operators and its customers see it."""
