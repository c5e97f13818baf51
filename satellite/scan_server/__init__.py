"""Mail of another mail server, which passes through us to be scanned: SMTP, LMTP and milter."""
