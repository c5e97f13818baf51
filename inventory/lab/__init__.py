"""The whole cluster on one machine: each node in a network of its own."""
