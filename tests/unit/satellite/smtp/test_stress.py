"""A thousand silent sockets keep nobody out for five minutes."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from satellite.smtp.giving_way import SILENT_S_MIN
from satellite.smtp.stress import Stress
from satellite.smtp.timeouts import STRESS_COMMAND_S
from tests.support.smtp.front_end import RunningFrontEnd, Talk, front_end, until


async def silent(front: RunningFrontEnd, stack: AsyncExitStack, *sources: str) -> list[Talk]:
    """Connect from each source and say nothing after the greeting."""
    talks = [await stack.enter_async_context(front.client(source)) for source in sources]
    for talk in talks:
        assert (await talk.reply()).startswith("220 ")
    return talks


def test_stress_begins_at_most_of_the_limit_and_ends_when_a_good_part_is_free() -> None:
    stress = Stress()

    changes = [stress.look(inside=inside, total_max=10) for inside in (7, 8, 7, 6, 5, 8)]

    assert changes == [False, True, False, False, True, True]
    assert stress.is_on


async def test_silent_clients_of_large_networks_give_way_to_one_that_has_something_to_say() -> None:
    networks = [f"127.0.{network}.{host}" for network in (1, 2) for host in (1, 2, 3, 4)]
    async with AsyncExitStack() as stack, front_end(connections_max=8) as front:
        (first,) = await silent(front, stack, networks[0])
        await front.clock.advance(1)
        await silent(front, stack, *networks[1:])
        await front.clock.advance(SILENT_S_MIN)

        async with front.client("127.0.9.9") as talk:
            await talk.greet()
            await talk.open_data()
            await talk.send(b"a\r\n.\r\n")
            assert (await talk.reply()).startswith("250 2.0.0 ")

        assert (await first.reply()).startswith("421 4.7.0 ")
        assert await first.is_closed()
        assert front.count("borderscout_smtp_overdue_total", reason="gave_way") == 1


async def test_a_sender_in_the_middle_of_its_message_never_gives_way() -> None:
    async with AsyncExitStack() as stack, front_end(connections_max=2) as front:
        sender, idler = await silent(front, stack, "127.0.1.1", "127.0.1.2")
        await sender.ask("EHLO client.example")
        await sender.open_data()
        await front.clock.advance(SILENT_S_MIN)
        await sender.send(b"half of it\r\n")
        await until(lambda: any(c._timeouts._octets for c in front.connections))

        async with front.client("127.0.9.9") as late:
            assert (await late.reply()).startswith("220 ")
            assert (await idler.reply()).startswith("421 4.7.0 ")
            async with front.client("127.0.9.8") as too_late:
                assert (await too_late.reply()).startswith("421 4.7.0 ")
        await sender.send(b"the rest\r\n.\r\n")
        assert (await sender.reply()).startswith("250 2.0.0 ")


@pytest.mark.parametrize("count", [7, 8])
async def test_silent_clients_are_waited_for_less_while_connections_run_out(count: int) -> None:
    sources = [f"127.0.{number}.1" for number in range(1, count + 1)]
    async with AsyncExitStack() as stack, front_end(connections_max=10) as front:
        talks = await silent(front, stack, *sources)
        is_stressed = count == 8
        assert front.count("borderscout_smtp_stress") == is_stressed
        assert front.front.is_stressed is is_stressed

        await front.clock.advance(STRESS_COMMAND_S + 1)

        assert front.count("borderscout_smtp_overdue_total", reason="idle") == is_stressed * 8
        if is_stressed:
            assert (await talks[0].reply()).startswith("421 4.4.2 ")
            await until(lambda: front.front.sessions == 0)
            await front.clock.advance(2)
            assert not front.front.is_stressed


async def test_one_address_has_fewer_connections_than_its_network() -> None:
    async with AsyncExitStack() as stack, front_end(connections_per_address_max=2) as front:
        await silent(front, stack, "127.0.1.1", "127.0.1.1", "127.0.1.2")
        async with front.client("127.0.1.1") as third:
            assert (await third.reply()).startswith("421 4.7.0 ")
        too_many = front.count("borderscout_smtp_connections_total", result="address_full")
        assert too_many == 1
