"""How nodes become members: tokens, the join door, what is signed for them."""
