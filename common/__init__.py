"""What core and satellite both use, and nothing else."""
