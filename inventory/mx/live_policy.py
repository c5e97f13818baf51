"""Does a sender get the MTA-STS policy of a domain that the inventory says?

Touches the network: one HTTPS request to one address of the policy host.

Source: RFC 8461 section 3.3.
"""

from __future__ import annotations

import asyncio
import ssl

import httpx

from common.sts_text import POLICY_HOST, POLICY_PATH

ANSWER_S = 15.0  # for all of it: one that trickles would have all others wait for ever
POLICY_BYTES_MAX = 65_536


async def policy_problem(
    domain: str, address: str, port: int, *, wanted: str, context: ssl.SSLContext
) -> str:
    """Return why a sender gets another policy or none; empty: it gets this one.

    Args:
        address: of the policy host.
        context: whose authorities are trusted.
    """
    host = f"{POLICY_HOST}.{domain}"
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    try:
        async with asyncio.timeout(ANSWER_S):
            return await _problem(host, place, wanted, context)
    except TimeoutError:
        return f"{host} gives no policy within {ANSWER_S:g} s"
    except (httpx.HTTPError, OSError) as error:
        words = " ".join(str(error).split())[:200] or type(error).__name__
        return f"{host} gives no policy: {words}"


async def _problem(host: str, place: str, wanted: str, context: ssl.SSLContext) -> str:
    async with (
        httpx.AsyncClient(verify=context, trust_env=False, timeout=2 * ANSWER_S) as client,
        client.stream(
            "GET",
            f"https://{place}{POLICY_PATH}",
            headers={"Host": host},
            extensions={"sni_hostname": host},
        ) as answer,
    ):
        if answer.status_code != 200:  # a redirect too: RFC 8461 section 3.3
            return f"{host} answers {answer.status_code}"
        if not answer.headers.get("content-type", "").startswith("text/plain"):
            return f"{host} gives something that is not text/plain"
        body = b""
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > POLICY_BYTES_MAX:
                return f"{host} gives more than a policy"
    if body.decode("ascii", "replace").splitlines() != wanted.splitlines():
        return f"{host} gives another policy than the inventory says"
    return ""
