"""``python -m cli`` is ``borderscout``."""

from cli.main import main

main()
