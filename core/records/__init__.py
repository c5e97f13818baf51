"""Log records taken in once, and what is asked of them."""
