"""The processes of a node, the sockets that they share, and how the parent talks to workers."""
