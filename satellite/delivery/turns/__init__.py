"""One message's turn with one destination, up to the commit of what became of it."""
