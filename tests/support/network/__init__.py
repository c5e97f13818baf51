"""Name servers, ports, certificates and the link."""
