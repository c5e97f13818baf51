"""The way back of a core: its backups, how one is restored, and the epoch that begins then."""
