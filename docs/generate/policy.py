"""What does the page of all policy keys say?

Pure. It is made from the fields of ``Policy``, where each key is declared.
"""

from __future__ import annotations

from common.preferences.forms import PolicyValue
from common.preferences.policy import POLICY_KEYS, PolicyKey

PAGE = "policy.md"

HEAD = """# Policy keys

A policy says what is done with what was found, key by key, in one scope: `cluster`,
`customer/NAME`, `domain/NAME` or `recipient/ADDRESS`. For each recipient and each key the nearest
scope that says something wins; where none does, the default holds. What is marked with * is asked
for the domain as a whole: in a recipient's scope it does nothing.

```
borderscout policy set domain/acme.example score.mark=4 score.drop=25
borderscout policy set domain/acme.example score.drop=
borderscout policy explain joe@acme.example
```

An empty value takes a key out, so that the next scope outwards says it. Where a number may be
`none`, `never` is the same; in JSON it is `null`. All commands: [cli.md](cli.md); the document
behind a policy: [documents.md](documents.md).

| what is done | means |
| --- | --- |
| `deliver` | as if nothing had been found |
| `mark` | deliver with the marks on: our header lines and the subject tag |
| `quarantine` | the core keeps it; nothing is delivered until somebody releases it |
| `drop` | it is taken and thrown away; the record stays |
| `reject` | `550` before the message is answered (`scan=before`); later it acts as `quarantine` |
| `wait` | it stays at the site until the engine answers; after the hold days it is quarantined |

Of all that applies to a message, the strongest decides: see [mail-flow.md](mail-flow.md).

"""


def _value(value: PolicyValue) -> str:
    if value is None:
        return "`none`"
    if value == "":
        return "empty"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _row(key: PolicyKey) -> str:
    cells = (
        f"`{key.name}`{' *' if key.is_of_domain else ''}",
        key.meaning,
        key.form.described,
        _value(key.default),
        f"`{key.name}={key.example}`",
    )
    return f"| {' | '.join(cells)} |"


def text() -> str:
    """Return the page."""
    lines = ["| key | meaning | values | default | example |", "| --- | --- | --- | --- | --- |"]
    lines += [_row(key) for key in POLICY_KEYS.values()]
    return f"{HEAD}" + "\n".join(lines) + "\n\nThis page is drawn from the code by `make docs`.\n"
