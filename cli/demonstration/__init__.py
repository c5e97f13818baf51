"""The demonstration: a whole cluster on this machine, where what is not real says so."""
