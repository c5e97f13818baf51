"""A whole cluster, while parts of it are killed."""
