"""How does one fuzz for longer than a test does?

``python -m tests.fuzz TARGET --inputs N --seed S``. What is found is made small, kept in the
corpus, and shown; the command then ends with 1.
"""

from __future__ import annotations

import argparse
import secrets
import sys

from tests.fuzz.running import failures, minimised
from tests.fuzz.target import Target, load, target_names


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*target_names(), "all"])
    parser.add_argument("--inputs", type=int, default=100_000, help="how many, of each target")
    parser.add_argument(
        "--seed", type=int, default=None, help="another one each time, if not given"
    )
    return parser.parse_args(arguments)


def _run(target: Target, *, inputs: int, seed: int) -> int:
    """Return how many kinds of failure were found."""
    print(f"{target.name}: {inputs} inputs, seed {seed}", flush=True)
    kinds: set[str] = set()
    for number, failure in failures(target, inputs=inputs, seed=seed):
        if failure.kind in kinds:
            continue
        kinds.add(failure.kind)
        small = minimised(target.run, failure)
        print(f"input {number}: {small.kind}\n{small.text}kept as {target.keep(small.octets)}")
    return len(kinds)


def main(arguments: list[str]) -> int:
    given = _parsed(arguments)
    names = target_names() if given.target == "all" else [given.target]
    seed = secrets.randbelow(1 << 32) if given.seed is None else given.seed
    found = sum(_run(load(name), inputs=given.inputs, seed=seed) for name in names)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
