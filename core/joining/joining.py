"""Who may join, and what becomes of a member's keys?

Touches the store, the issuer's files and the core's WireGuard file, and tells the link whose
certificates are let in. What a stranger brings is looked at only once his token was found good, and
what is told to him then is the same whatever was wrong with it.

A change of keys has two phases, and is repeated safely after any of its steps: the new ones are let
in beside the old ones (``renew``); once the node works with them, the old ones go (``settle``).
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from common.clock import Clock
from common.counted import counted
from common.errors import EnvironmentFailure, LocalError
from common.join_token import SECRET_BYTES, JoinToken, secret_digest
from common.joining import (
    Certificates,
    CoreEnds,
    JoinAnswer,
    JoinRequest,
    KeysAnswer,
    MemberAnswer,
    MemberQuestion,
    RenewRequest,
)
from common.preferences import Preferences
from common.settings.core import CoreSettings
from core.joining.core_ends import machines_of, tunnel_of
from core.joining.member_peers import MemberPeers, peers_of
from core.joining.node_signing import NodeSigner, keys_of
from core.joining.node_terms import NodeTerms, taken_out, terms_of
from core.people.members import DAY_S, MadeToken, NodeMember, NodeUnnamed, TokenNotGood
from core.store.members import MemberStore

log = structlog.get_logger()

LOOK_S = 5.0  # between two looks whether a certificate's time is over, or the file was replaced
ISSUER_WARNING_S = 30 * DAY_S
US = 1_000_000
STANDING = MemberQuestion()  # nothing beside how it stands


class MembersLink(Protocol):
    """The link, as far as it goes by who has joined."""

    def take_members(self, members: Mapping[str, frozenset[str]]) -> int: ...


class CurrentPreferences(Protocol):
    """The preferences, which have the documents of nodes."""

    @property
    def current(self) -> Preferences: ...


class Joining:
    """The members of a core, and how nodes become some.

    Args:
        settings: the core's.
        store: the members and the tokens.
        preferences: with the nodes' documents.
        link: told whose certificates are let in.
        clock: for all times.
    """

    def __init__(
        self,
        settings: CoreSettings,
        *,
        store: MemberStore,
        preferences: CurrentPreferences,
        link: MembersLink,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._store = store
        self._preferences = preferences
        self._link = link
        self._clock = clock
        self._members: dict[str, NodeMember] = {}
        self._taking = asyncio.Lock()
        self.signer = NodeSigner(
            cluster=settings.cluster,
            mail_domain=settings.mail_domain,
            certificate=Path(settings.join.issuer),
            key=Path(settings.join.issuer_key),
            authority=Path(settings.tls.authority),
        )
        self._tunnel = MemberPeers(
            Path(settings.wireguard.file) if settings.wireguard.file else None
        )

    # ---- life

    async def open(self) -> None:
        """Let in those that have joined."""
        self._members = {one.node: one for one in await self._store.members()}
        await self._take()

    async def watch(self) -> None:
        """Let certificates end, and keep the peers in WireGuard's file, until cancelled."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self._take()

    async def _take(self, changed: NodeMember | None = None) -> int:
        """Go by what the members are by now; return how many calls ended."""
        if changed is not None:
            self._members[changed.node] = changed
        now_s = self._now_s()
        ended = self._link.take_members(
            {name: one.let_in(now_s=now_s) for name, one in self._members.items()}
        )
        async with self._taking:
            preferences = self._preferences.current
            peers = peers_of(self._members.values(), self._settings, preferences)
            gone = [name for name, one in self._members.items() if one.revoked_us]
            await self._tunnel.keep(peers, gone=gone)
        return ended

    # ---- what people ask

    def members(self) -> list[NodeMember]:
        """Return all that have ever joined, by name."""
        return [self._members[name] for name in sorted(self._members)]

    def is_revoked(self, node: str) -> bool:
        """Say whether a node had joined, and was revoked."""
        found = self._members.get(node)
        return found is not None and bool(found.revoked_us)

    def problems(self) -> list[str]:
        """Return what an operator should know, a sentence each."""
        found = [taken_out(one.node) for one in self.members() if self._is_taken_out(one)]
        if not self._settings.join.listen:
            return found
        found += [self._tunnel.problem] if self._tunnel.problem else []
        try:
            left_s = self.signer.issuer_ends_s() - self._now_s()
        except EnvironmentFailure as error:
            return [*found, f"no node can join: {error}"]
        if left_s < ISSUER_WARNING_S:
            days = counted(max(0, int(left_s // DAY_S)), "day")
            found.append(
                f"the core's issuer ends in {days}, and members'"
                " certificates with it: render the core's folder"
            )
        return found

    def _is_taken_out(self, member: NodeMember) -> bool:
        return not member.revoked_us and self._terms(member.node) is None

    async def tokens(self) -> list[MadeToken]:
        """Return the tokens that nobody has used and whose time is not over."""
        return await self._store.tokens()

    async def make_token(self, node: str, *, for_s: int, again: bool, who: str) -> str:
        """Return a new token for a node, a line of text; it is kept nowhere.

        Args:
            node: whom it is for.
            for_s: seconds until it is worth nothing.
            again: it may replace what a member of this name has.
            who: for the audit.

        Raises:
            LocalError: there is no such node, or no door to go to.
            EnvironmentFailure: there is no authority or issuer.
        """
        doors = tuple(self._settings.join.public)
        if not self._settings.join.listen or not doors:
            raise LocalError(
                "this core has no join door", hint="set join.listen and join.public in core.yaml"
            )
        if self._terms(node) is None:
            raise NodeUnnamed(node)
        member = self._members.get(node)
        if member is not None and not member.revoked_us and not again:
            raise LocalError(
                f"{node} has joined already",
                hint="with --again what it has is let in no more once the token is used",
            )
        self.signer.issuer_ends_s()  # a token that nobody can use is worse than none
        secret, now_us = secrets.token_bytes(SECRET_BYTES), self._clock.now_us()
        token = JoinToken(node=node, doors=doors, pin=self.signer.pin(), secret=secret)
        await self._store.add_token(
            MadeToken(
                digest=secret_digest(secret),
                node=node,
                made_us=now_us,
                expires_us=now_us + for_s * US,
                who=who,
                again=again,
            )
        )
        return token.text()

    async def withdraw(self, node: str, *, who: str) -> int:
        """Make a node's unused tokens worthless; return how many those were.

        Raises:
            NodeUnnamed: there is no such node, and no token of one.
        """
        if self._terms(node) is None and node not in {one.node for one in await self.tokens()}:
            raise NodeUnnamed(node)
        return await self._store.withdraw_tokens(node, who=who)

    async def rotate(self, node: str, *, who: str) -> NodeMember:
        """Have a member change its keys; it sees so when it looks next.

        Raises:
            MemberGone: it has not joined, or was revoked.
        """
        now_us = self._clock.now_us()
        changed = await self._store.change(
            node, lambda one: replace(one, rotate_us=now_us), who=who, what="member.rotate"
        )
        await self._take(changed)
        return changed

    async def revoke(self, node: str, *, who: str) -> int:
        """Let nothing of a member in any more; return how many calls of its ended.

        Raises:
            MemberGone: it has not joined, or was revoked.
        """
        now_us = self._clock.now_us()
        changed = await self._store.change(
            node,
            lambda one: one.revoked(now_us=now_us),
            who=who,
            what="member.revoke",
            ends_tokens=True,
        )
        return await self._take(changed)

    # ---- what nodes ask

    async def join(self, request: JoinRequest, *, client: str) -> JoinAnswer:
        """Make a node a member, and return what it needs.

        Args:
            request: what it says of itself, and its public keys.
            client: where it comes from, for the audit.

        Raises:
            TokenNotGood: its token is wrong, for another node, used or over.
            RequestRefused: a request is none.
            MemberRefused: its WireGuard key is another's.
            EnvironmentFailure: nothing can be signed now.
        """
        digest = secret_digest(bytes.fromhex(request.secret))
        token, now_us = await self._store.token(digest), self._clock.now_us()
        if token is None or not hmac.compare_digest(token.digest, digest):
            raise TokenNotGood
        if token.node != request.node or now_us >= token.expires_us:
            raise TokenNotGood
        keys = keys_of(request.requests)
        told = keys.digest(request.wireguard)
        terms = self._terms(token.node)
        if terms is None or not token.is_good_for(told, now_us=now_us):
            raise TokenNotGood
        if terms.vpn_addresses:
            self._tunnel.must_be_own(request.wireguard, node=token.node, members=self.members())
        issued = self.signer.issue(token.node, keys, now_us=now_us)
        member = NodeMember(
            node=token.node,
            joined_us=now_us,
            certificates={issued.serial: issued.ends_s},
            wireguard=request.wireguard if terms.vpn_addresses else "",
        )
        known, given = await self._store.join(
            digest,
            keys=told,
            issued=json.dumps(issued.certificates.model_dump()),
            member=member,
            client=client,
        )
        await self._take(known)
        log.info("join.joined", node=token.node, client=client)
        return JoinAnswer(
            node=token.node,
            cluster=self._settings.cluster,
            core=self._settings.name,
            certificates=Certificates.model_validate_json(given),
            authority=self.signer.authority_pem().decode(),
            settings=terms.settings,
            wireguard=tunnel_of(terms, self._settings, self._tunnel.own_end()),
        )

    def member(self, node: str, question: MemberQuestion = STANDING) -> MemberAnswer:
        """Return how a member stands, and what else it asks for.

        Raises:
            TokenNotGood: it is none.
        """
        found = self._known(node)
        return MemberAnswer(
            node=node,
            rotate=bool(found.rotate_us),
            wireguard=found.wireguard,
            wireguard_beside=found.wireguard_beside,
            core_machines=self._core_machines(node) if question.core_machines else None,
        )

    async def renew(self, node: str, serial: str, request: RenewRequest) -> KeysAnswer:
        """Let new keys of a member in, beside those that it has, and return their certificates.

        Raises:
            TokenNotGood: it is no member, or not with the certificate of this serial number.
            RequestRefused: a request is none.
            MemberRefused: its WireGuard key is another's.
            EnvironmentFailure: nothing can be signed now.
        """
        had_tunnel = bool(self._known(node).wireguard)
        beside = request.wireguard or ""
        if had_tunnel and beside:
            self._tunnel.must_be_own(beside, node=node, members=self.members())
        issued = self.signer.issue(node, keys_of(request.requests), now_us=self._clock.now_us())
        now_s = self._now_s()

        def changed(one: NodeMember) -> NodeMember:
            one = one.with_certificate(issued.serial, issued.ends_s, now_s=now_s)
            return one.with_key_beside(beside) if had_tunnel else one

        member = await self._store.change(
            node, changed, who=node, shown=serial, what="member.renew", detail=issued.serial
        )
        await self._take(member)
        log.info("join.renewed", node=node, serial=issued.serial)
        return KeysAnswer(certificates=issued.certificates)

    async def switch(self, node: str, serial: str, key: str) -> MemberAnswer:
        """Give a member's networks to another of its two WireGuard keys.

        Raises:
            TokenNotGood: it is no member, or not with the certificate of this serial number.
            MemberRefused: the key is none of the two.
        """
        self._known(node)
        change = partial(self._store.change, node, who=node, shown=serial)
        member = await change(lambda one: one.switched_to(key), what="member.switch", detail=key)
        await self._take(member)
        return self.member(node)

    async def settle(self, node: str, serial: str) -> MemberAnswer:
        """Let a member's old keys go: what it shows now is what it works with.

        Args:
            node: its name.
            serial: of the certificate that it shows.

        Raises:
            TokenNotGood: it is no member, or not with that certificate.
        """
        self._known(node)
        now_s = self._now_s()
        change = partial(self._store.change, node, who=node, shown=serial)
        member = await change(lambda one: one.settled(serial, now_s=now_s), what="member.settle")
        await self._take(member)
        log.info("join.settled", node=node, serial=serial)
        return self.member(node)

    def _known(self, node: str) -> NodeMember:
        found = self._members.get(node)
        if found is None or found.revoked_us:
            raise TokenNotGood
        return found

    def _terms(self, node: str) -> NodeTerms | None:
        return terms_of(node, self._settings, self._preferences.current)

    def _core_machines(self, node: str) -> CoreEnds | None:
        terms = self._terms(node)
        try:
            own = self._tunnel.own_end()
        except EnvironmentFailure:  # who keeps the file says so; here members renew their keys
            return None
        generation = self._preferences.current.position.epoch.generation
        return None if terms is None else machines_of(terms, self._settings, own, generation)

    def _now_s(self) -> float:
        return self._clock.now_us() / US
