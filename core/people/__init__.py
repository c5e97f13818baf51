"""Who may ask the core for something."""
