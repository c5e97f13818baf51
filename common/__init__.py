"""What core and satellite both use, and nothing else."""

import os

# Read when gRPC is loaded, which is after this. By itself it has a line of the log for each
# handshake that anybody spoils, as often as he likes.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
