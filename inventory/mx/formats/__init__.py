"""MX plans in the formats of DNS tools."""
