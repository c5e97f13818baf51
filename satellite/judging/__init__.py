"""The central stage: what engines and filters found becomes what is done for each recipient."""
