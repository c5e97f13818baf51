"""One YAML file that describes the whole cluster, and all that is made from it."""
