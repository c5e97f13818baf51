"""What engines that ask a server share: one connection to it, and the pool of those."""
