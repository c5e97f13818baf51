"""What tests stand on: real servers, the ledger, the sink, the checker."""
