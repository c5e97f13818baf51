"""The demonstration: a whole cluster on this machine, with nothing in it that is not real."""
