"""What tests of the core stand on."""
