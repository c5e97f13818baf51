"""Mail on its way to the customer's server."""
