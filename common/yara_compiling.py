"""Do YARA rules compile, and to what?

Touches nothing but the rule engine. The core asks before it takes an operator's rules, a satellite
before it matches any: both with the two globals that rules may ask for, and nothing included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import yara_x

from common.errors import LocalError
from common.verdict import DETAIL_LENGTH_MAX, printable


def namespace_of(number: int) -> str:
    """Return the namespace of the rules that stand at a place, from 0, among all files."""
    return f"file{number}"


def compiled(sources: Iterable[Sequence[str]], *, refuse_slow: bool = False) -> yara_x.Rules:
    """Return the rules of all files, each file a namespace of its own.

    Args:
        sources: a file's name and its text each; what stands behind these is no matter here.
        refuse_slow: patterns that are known to match slowly are errors too.

    Raises:
        LocalError: a rule does not compile.
    """
    compiler = yara_x.Compiler(includes_enabled=False, error_on_slow_pattern=refuse_slow)
    try:
        compiler.define_global("in_archive", False)
        compiler.define_global("member_name", "")
        for number, (name, text, *_) in enumerate(sources):
            compiler.new_namespace(namespace_of(number))
            try:
                compiler.add_source(text, origin=name)
            except yara_x.CompileError as error:
                what = printable(" ".join(str(error).split()), length_max=DETAIL_LENGTH_MAX)
                raise LocalError(f"{name}: {what}", hint="correct the rule") from None
        return compiler.build()
    finally:
        # It has to end in the thread that made it, and an error takes this frame to another one.
        del compiler
