"""One parser each: octets in, and a claim that fails when the parser does what it must not."""
