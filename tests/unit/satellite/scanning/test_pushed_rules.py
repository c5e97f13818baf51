"""YARA rules that the core pushes: in force with the next message, and of no harm when wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.pushed_rules import PushedRules
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, ScopedMatch, Verdict
from satellite.scanning.engine import (
    Engine,
    EngineAnswersAtOnce,
    EngineContext,
    Fitted,
    TellsVersionAtOnce,
)
from satellite.scanning.engines import yara
from satellite.scanning.helper import Helper
from satellite.scanning.run import Scanner
from satellite.scanning.sample import Sample
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import plain, sample_of, with_attachment

DEADLINE_S = 60.0
PHRASE = b"please pay at once"
INVOICE = 'rule Invoice { strings: $a = "please pay at once" condition: $a }'
WRONG = "rule Wrong { condition: nothing_of_that_name }"


class Pushed:
    """What the core pushes now, and an engine that heeds it."""

    def __init__(self, helper: Helper) -> None:
        self.rules: tuple[PushedRules, ...] = ()
        self.helper = helper
        self.engine: Engine = yara.build(
            EngineSettings(name="yara", kind="yara"),
            EngineContext(clock=SystemClock(), helper=helper, yara_rules=lambda: self.rules),
        )

    async def scan(self, sample: Sample) -> Verdict:
        """Return the verdict as a worker asks for it."""
        assert isinstance(self.engine, EngineAnswersAtOnce)
        said = self.engine.scan_at_once(sample)
        return await self.engine.scan(sample, deadline_s=DEADLINE_S) if said is None else said


@pytest.fixture
async def pushed() -> AsyncIterator[Pushed]:
    helper = Helper(clock=SystemClock())
    yield Pushed(helper)
    await helper.close()


SAMPLES = [
    pytest.param(sample_of(plain(PHRASE)), id="plain"),
    pytest.param(sample_of(with_attachment(PHRASE)), id="attached"),
]


@pytest.mark.parametrize("sample", SAMPLES)
async def test_rules_are_in_force_with_the_next_message_and_gone_when_removed(
    pushed: Pushed, sample: Sample
) -> None:
    before = await pushed.scan(sample)
    pushed.rules = (PushedRules("invoices", INVOICE),)
    found = await pushed.scan(sample)
    pushed.rules = ()
    after = await pushed.scan(sample)

    assert (before.outcome, after.outcome) == (Outcome.CLEAN, Outcome.CLEAN)
    assert (found.outcome, found.threats) == (Outcome.INFECTED, ("Invoice",))
    assert before.definitions == after.definitions != found.definitions


async def test_the_shipped_rules_apply_beside_them(pushed: Pushed) -> None:
    pushed.rules = (PushedRules("invoices", INVOICE),)

    verdict = await pushed.scan(sample_of(with_attachment(EICAR)))

    assert verdict.threats == ("Eicar-Test-Signature",)


async def test_rules_that_do_not_compile_here_are_left_out_alone_and_told(pushed: Pushed) -> None:
    """Such as for an older rule engine than the core's."""
    pushed.rules = (PushedRules("invoices", INVOICE), PushedRules("wrong", WRONG))

    verdict = await pushed.scan(sample_of(plain(PHRASE)))
    health = await pushed.engine.probe()

    assert verdict.threats == ("Invoice",)
    assert health.answering
    assert health.detail == "rules loaded, 2 pushed; of no use here: wrong"


async def test_the_helper_is_made_anew_for_them_once(pushed: Pushed) -> None:
    sample = sample_of(with_attachment(b"x"))
    await pushed.scan(sample)
    first = pushed.helper.pid
    pushed.rules = (PushedRules("invoices", INVOICE),)
    await pushed.scan(sample)
    second = pushed.helper.pid
    await pushed.scan(sample)

    assert first != second
    assert pushed.helper.pid == second


async def test_no_message_is_lost_by_rules_that_change_while_it_is_read(pushed: Pushed) -> None:
    samples = [sample_of(with_attachment(b"%d" % number)) for number in range(12)]

    async def changing() -> None:
        for number in range(6):
            pushed.rules = (PushedRules(f"set{number}", INVOICE),)
            await asyncio.sleep(0.02)

    change = asyncio.create_task(changing())
    verdicts = await asyncio.gather(*map(pushed.scan, samples))
    await change

    assert {verdict.outcome for verdict in verdicts} == {Outcome.CLEAN}


async def test_what_was_said_by_other_rules_stands_for_no_message_after_them(
    pushed: Pushed,
) -> None:
    """No probe comes in between, and the octets are the same."""
    settings = EngineSettings(name="yara", kind="yara")
    scanner = Scanner(
        [Fitted(engine=pushed.engine, settings=settings)],
        SystemClock(),
        registry=CollectorRegistry(),
    )
    await scanner.probe_all()
    sample = sample_of(with_attachment(PHRASE))

    async def said() -> list[tuple[Outcome, bool]]:
        verdicts = [(await scanner.scan(sample))[0] for _ in range(2)]
        return [(one.outcome, one.detail.startswith("from the cache")) for one in verdicts]

    before = await said()
    pushed.rules = (PushedRules("invoices", INVOICE),)
    found = await said()
    pushed.rules = ()
    after = await said()

    assert before == after == [(Outcome.CLEAN, False), (Outcome.CLEAN, True)]
    assert found == [(Outcome.INFECTED, False), (Outcome.INFECTED, True)]


# ---- rules of one scope


ACME = PushedRules("invoices", INVOICE, "customer/acme")
ACME_MATCH = ScopedMatch(
    rules="invoices", scope="customer/acme", outcome=Outcome.INFECTED, threats=("Invoice",)
)


@pytest.mark.parametrize("sample", SAMPLES)
async def test_what_rules_of_a_scope_find_stands_beside_what_holds_for_all(
    pushed: Pushed, sample: Sample
) -> None:
    pushed.rules = (ACME,)

    verdict = await pushed.scan(sample)

    assert (verdict.outcome, verdict.threats) == (Outcome.CLEAN, ())
    assert verdict.scoped == (ACME_MATCH,)


async def test_each_document_says_what_it_found_by_itself(pushed: Pushed) -> None:
    macro = INVOICE.replace("{ strings", '{ meta: outcome = "macro" threat = "Form" strings')
    pushed.rules = (
        ACME,
        PushedRules("all", INVOICE.replace("rule Invoice", "rule ForAll")),
        PushedRules("macros", macro, "domain/globex.example"),
        PushedRules("wrong", WRONG, "customer/acme"),
    )

    verdict = await pushed.scan(sample_of(plain(PHRASE)))

    assert verdict.threats == ("ForAll",)
    assert verdict.scoped == (
        ACME_MATCH,
        ScopedMatch(
            rules="macros",
            scope="domain/globex.example",
            outcome=Outcome.MACRO,
            threats=("Form",),
        ),
    )


async def test_no_rule_of_a_scope_switches_off_the_rules_of_others(pushed: Pushed) -> None:
    """A global rule that never matches keeps all others of its own document from matching."""
    never = "global rule Never { condition: false } " + INVOICE
    pushed.rules = (PushedRules("never", never, "customer/acme"), PushedRules("all", INVOICE))

    found = await pushed.scan(sample_of(with_attachment(EICAR)))
    named = await pushed.scan(sample_of(plain(PHRASE)))

    assert found.threats == ("Eicar-Test-Signature",)
    assert (named.threats, named.scoped) == (("Invoice",), ())


async def test_another_scope_is_another_set_of_rules(pushed: Pushed) -> None:
    """What was said of the same octets for one customer must not stand for another one."""
    sample = sample_of(plain(PHRASE))
    pushed.rules = (ACME,)
    first = await pushed.scan(sample)
    pushed.rules = (ACME._replace(scope="customer/globex"),)
    second = await pushed.scan(sample)

    assert [one.scope for one in (*first.scoped, *second.scoped)] == [
        "customer/acme",
        "customer/globex",
    ]
    assert first.definitions != second.definitions


@pytest.mark.parametrize(
    "other", [{"scope": "cluster"}, {"name": "orders"}, {"text": INVOICE + " "}]
)
async def test_whatever_a_verdict_says_of_rules_makes_another_version(
    pushed: Pushed, other: dict[str, str]
) -> None:
    assert isinstance(pushed.engine, TellsVersionAtOnce)
    pushed.rules = (ACME,)
    before = pushed.engine.told_now()

    pushed.rules = (ACME._replace(**other),)

    assert pushed.engine.told_now() != before
