"""Senders, next hops and messages, of ours and of other people's."""
