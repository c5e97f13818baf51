"""The satellite's end of the link."""
