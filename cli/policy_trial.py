"""``borderscout policy try``: what would change if these documents were published?

Touches the core, which tells what stands and what was judged, and files with mail; changes nothing.
"""

from __future__ import annotations

import asyncio
import io
import mailbox
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import getaddresses
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client, TokenFile, Url
from cli.documents import documents_in
from cli.filter_documents import filter_warnings
from cli.mail_on_disk import messages_in
from cli.output import (
    AsJson,
    complain,
    console,
    fail,
    plain,
    print_json,
    print_table,
    say_warnings,
    value_text,
)
from cli.progress import progress_bar
from cli.trial_gaps import Unheard, in_sum, not_in_records, not_on_disk, unheard
from common.address import AddressError, domain_of, parse_address
from common.clock import SystemClock
from common.counted import counted
from common.envelope import Envelope
from common.errors import BorderScoutError
from common.preferences import Kind, Preferences
from common.preferences.documents import (
    NOTHING,
    DocumentRefused,
    new_document,
    new_tombstone,
)
from common.records import verdict_from_object
from common.telemetry import without_diagnostics

EXAMPLE = "Example: borderscout policy try stricter.json --last 10000"
PAGE = 500  # messages in one answer of the core
LAST = 1_000
LAST_MAX = 100_000
NOBODY = "(no customer)"
# Who a message on disk was for: whoever delivered it says so in the first of these.
_TOLD_IN = ("Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One recipient's copy under what stands and under what is tried.

    Args:
        message: our id, or the file's name.
        recipient, customer, sender, subject: of it.
        now, then: what is done, as ``_outcome`` returns it.
        unheard: who was asked about it, and had no answer.
        is_proof_unknown: a white entry may count, and its record does not say.
    """

    message: str
    recipient: str
    customer: str
    sender: str
    subject: str
    now: dict[str, Any]
    then: dict[str, Any]
    unheard: frozenset[Unheard] = frozenset()
    is_proof_unknown: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether another thing is done with it."""
        return bool(self.now["done"] != self.then["done"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The preferences that stand, and those that are tried.

    Args:
        changed: the documents that differ, by kind and key.
    """

    stands: Preferences
    tried: Preferences
    changed: tuple[tuple[Kind, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What a trial came to.

    Args:
        copies: all of them.
        not_judged: what nobody knows, a line each.
    """

    copies: Sequence[Tried]
    not_judged: Sequence[str]


def try_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Documents, as for apply.")
    ],
    last: Annotated[
        int | None,
        typer.Option(
            help=f"So many of the last messages; {LAST} unless --mail.", min=1, max=LAST_MAX
        ),
    ] = None,
    mail: Annotated[
        list[Path] | None, typer.Option("--mail", help="An mbox, a Maildir, a folder or a message.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="With --mail: engines and filters of a node.")
    ] = None,
    recipient: Annotated[
        str, typer.Option(help="With --mail: whose mail it is, unless its header says so.")
    ] = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what would be done otherwise if the documents were published; nothing is changed.

    The last messages are weighed by what engines and filters said of them then: policies, weights,
    lists and names of threats count as they would; a new rule or DNS list says nothing of the past.
    With --mail all of it is asked anew. Who did not answer is said, and what nobody can know.
    """
    if mail and config is None:
        fail("--mail asks engines and filters; name a node's settings with --config", status=2)
    client = Client(url, token_file)
    trial = _trial(client, files)
    result = (
        asyncio.run(_of_mail(mail, config, recipient, trial))
        if mail and config is not None
        else _of_records(client, last or LAST, trial)
    )
    if as_json:
        print_json(_as_object(result))
    else:
        _show(result)


def _trial(client: Client, files: Sequence[Path]) -> Trial:
    """Return the preferences that stand, and those with the documents of the files."""
    published = client.ask("GET", "/api/v1/documents")["documents"]
    stands = Preferences.from_documents(
        (new_document(one["kind"], one["key"], one["body"]) for one in published), position=NOTHING
    )
    wanted = [document for file in files for document in documents_in(file)]
    say_warnings({"warnings": filter_warnings(wanted)})
    try:
        documents = [
            new_tombstone(str(one["kind"]), str(one["key"]))
            if one.get("removed")
            else new_document(str(one["kind"]), str(one["key"]), one.get("body") or {})
            for one in wanted
        ]
        tried = stands.applied(documents, position=NOTHING)
    except DocumentRefused as error:
        fail(str(error))
    named = dict.fromkeys((Kind(each.kind), each.key) for each in documents)
    changed = tuple(each for each in named if _body(stands, *each) != _body(tried, *each))
    return Trial(stands=stands, tried=tried, changed=changed)


def _body(preferences: Preferences, kind: Kind, key: str) -> bytes | None:
    document = preferences.document(kind, key)
    return document.body if document is not None else None


def _of_records(client: Client, last: int, trial: Trial) -> TrialResult:
    copies = list(_copies_of_records(client, last, trial))
    lines = not_in_records(trial.stands, trial.tried, trial.changed)
    unknown = sum(one.is_proof_unknown for one in copies)
    if unknown:
        whose = counted(unknown, "copy", "copies")
        lines.append(f"white entries about {whose}: records do not say who sent them")
    return TrialResult(copies=copies, not_judged=lines)


def _copies_of_records(client: Client, last: int, trial: Trial) -> Iterator[Tried]:
    from satellite.judging.retrial import PastMail, retried

    engines = _engines(client)
    for one in _judged(client, last):
        names = {each["address"]: each for each in one["recipients"]}
        past = PastMail(
            envelope=Envelope(
                client_address=one["client"],
                helo=one["helo"],
                sender=one["sender"],
                recipients=tuple(names),
            ),
            verdicts=tuple(map(verdict_from_object, one["verdicts"])),
            judged_us=one["judged_us"],
        )
        now = retried(past, trial.stands, engines=engines)
        then = retried(past, trial.tried, engines=engines)
        for address, each in names.items():
            yield Tried(
                message=one["id"],
                recipient=address,
                customer=each["customer"] or _customer(trial.tried, address),
                sender=one["sender"],
                subject=one["subject"],
                now=_outcome(now[address].disposed),
                then=_outcome(then[address].disposed),
                is_proof_unknown=then[address].is_proof_unknown,
            )


def _engines(client: Client) -> frozenset[str]:
    """Return the names of the engines that nodes have, as they last said."""
    nodes = client.ask("GET", "/api/v1/status")["nodes"]
    return frozenset(engine["name"] for node in nodes for engine in node.get("engines", ()))


def _judged(client: Client, last: int) -> Iterator[dict[str, Any]]:
    """Yield what the last messages were judged by, the newest first."""
    before, read = "", 0
    with progress_bar() as step:
        while read < last:
            limit = min(PAGE, last - read)
            query = {"before": before, "limit": limit}
            found = client.ask("GET", "/api/v1/messages/judged", query=query)
            yield from found["messages"]
            read += limit
            step("messages", read, last)
            before = found["next"]
            if not before:
                return


async def _of_mail(
    places: Sequence[Path], config: Path, recipient: str, trial: Trial
) -> TrialResult:
    from satellite.app.assessment import assessor
    from satellite.filtering.idle_documents import idle_documents
    from satellite.settings import load_settings

    results: list[Tried] = []
    settings = load_settings(config, with_what_it_names=True)
    with without_diagnostics():
        async with assessor(
            settings,
            preferences=trial.tried,
            recipient=recipient or "somebody@localhost",
            clock=SystemClock(),
        ) as ready:
            for name, octets in messages_in(places):
                header = mailbox.Message(octets)
                whose = recipient or _recipient(header, trial.tried)
                try:
                    now = await ready.assess(
                        io.BytesIO(octets), preferences=trial.stands, recipient=whose
                    )
                    then = await ready.assess(
                        io.BytesIO(octets), preferences=trial.tried, recipient=whose
                    )
                except BorderScoutError as error:
                    complain(f"{name}: {error}")
                    continue
                results.append(
                    Tried(
                        message=name,
                        recipient=whose,
                        customer=_customer(trial.tried, whose),
                        sender=str(header.get("From", ""))[:320],
                        subject=str(header.get("Subject", ""))[:200],
                        now=_outcome(now.disposed),
                        then=_outcome(then.disposed),
                        unheard=unheard((*now.verdicts, *then.verdicts)),
                    )
                )
    idle = [str(each) for each in idle_documents(trial.tried, settings.filters)]
    return TrialResult(copies=results, not_judged=[*idle, *not_on_disk(trial.changed)])


def _recipient(header: mailbox.Message, preferences: Preferences) -> str:
    """Return the first address in a header whose domain is ours; somebody's when there is none."""
    for name in _TOLD_IN:
        values = [str(value) for value in header.get_all(name, [])]
        for _, address in getaddresses(values[:20]):
            try:
                parsed = parse_address(address).folded
            except AddressError:
                continue
            if preferences.route(domain_of(parsed)) is not None:
                return parsed
    return "somebody@localhost"


def _customer(preferences: Preferences, address: str) -> str:
    route = preferences.route(domain_of(address))
    return route.customer if route is not None else NOBODY


def _outcome(disposed: Any) -> dict[str, Any]:
    """Return what is done, as it is shown: ``mark`` is to deliver with the marks on."""
    done = str(disposed.disposition)
    is_marked = done == "deliver" and disposed.marked
    return {
        "done": "mark" if is_marked else done,
        "score": disposed.score,
        "reason": disposed.reason,
    }


def _as_object(result: TrialResult) -> dict[str, Any]:
    return {
        "tried": len(result.copies),
        "changed": [_copy_as_object(one) for one in result.copies if one.is_changed],
        "unheard": in_sum(one.unheard for one in result.copies),
        "not_judged": list(result.not_judged),
    }


def _copy_as_object(one: Tried) -> dict[str, Any]:
    return {
        "message": one.message,
        "recipient": one.recipient,
        "customer": one.customer,
        "sender": one.sender,
        "subject": one.subject,
        "now": one.now,
        "then": one.then,
    }


def _show(result: TrialResult) -> None:
    gaps = [
        *(_unheard_line(each) for each in in_sum(one.unheard for one in result.copies)),
        *(f"not judged: {line}" for line in result.not_judged),
    ]
    changed = [one for one in result.copies if one.is_changed]
    if not result.copies:
        console.print("nothing was tried: there is no message that was judged or read")
    elif not changed:
        copies = counted(len(result.copies), "copy", "copies")
        console.print(f"{copies} tried: nothing would change{', as far as is known' * bool(gaps)}")
    else:
        _show_changed(result.copies, changed)
    for line in gaps:
        console.print(plain(line))


def _unheard_line(one: dict[str, Any]) -> str:
    copies = counted(one["copies"], "copy", "copies")
    return f"not heard: {one['by']} of {copies}: {one['outcome']}: {one['detail']}".rstrip(": ")


def _show_changed(results: Sequence[Tried], changed: Sequence[Tried]) -> None:
    counts = Counter((one.customer, one.now["done"], one.then["done"]) for one in changed)
    firsts: dict[tuple[str, str, str], Tried] = {}
    for one in changed:
        firsts.setdefault((one.customer, one.now["done"], one.then["done"]), one)
    of_customer = Counter(one.customer for one in results)
    print_table(
        ("!Customer", "Now", "Then", ">Copies", ">Of", "For example"),
        [
            (*key, count, of_customer[key[0]], _example(firsts[key]))
            for key, count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1]))
        ],
    )
    console.print(
        plain(f"{len(changed)} of {counted(len(results), 'copy', 'copies')} would end otherwise")
    )


def _example(one: Tried) -> str:
    score = value_text(one.then["score"])
    return f"{one.message} from {one.sender or '<>'} (score {score}): {one.then['reason']}"
