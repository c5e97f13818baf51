"""The wire's package."""
