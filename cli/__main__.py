"""``python -m cli`` is ``borderscout``."""

from cli.entry import main

main()
