"""What a node's workers are given when their processor time is told apart; see ``stages``."""
