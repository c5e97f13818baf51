"""May more mail come in? What the node has on its hands, measured and weighed."""
