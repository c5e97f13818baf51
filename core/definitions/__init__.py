"""Virus definitions: fetched, tried by a scanner of the core's own, kept, rolled out by site."""
