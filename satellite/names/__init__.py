"""Names and addresses: what DNS and the system's hosts file say, asked without blocking anybody."""
