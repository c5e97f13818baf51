"""Which site a domain's mail should try first."""
