"""The files of a shard: the database, the bodies, and what errors of either mean."""
