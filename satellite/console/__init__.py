"""What an operator on the node asks, and what is answered."""
