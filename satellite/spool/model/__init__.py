"""What a message is to the spool, and which states its recipients go through."""
