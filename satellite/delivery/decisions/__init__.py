"""Where mail goes, until when, and what a reply means: decided without asking anybody."""
