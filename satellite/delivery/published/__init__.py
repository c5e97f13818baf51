"""What domains publish of how their mail must travel, and how it did: DANE, MTA-STS, TLS-RPT."""
