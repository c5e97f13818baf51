"""``borderscout demo``."""

EXAMPLE = "x"


def demo() -> None: ...
