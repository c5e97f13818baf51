"""What does a client hear first: a greeting, or that it is refused?

Touches one connection. Where lists are asked about clients before they have said anything, a
greeting waits for them, within their time. Who is refused may still say QUIT, and hears 503 to
anything else; it has a few seconds for that, since somebody else may want the place.

Source: RFC 5321 sections 3.1 and 4.3.2.
"""

from __future__ import annotations

from satellite.smtp import replies
from satellite.smtp.arrival import ClientGone
from satellite.smtp.sessions import Sessions
from satellite.smtp.starttls import StarttlsConnection
from satellite.smtp.timeouts import Phase


class GreetedConnection(StarttlsConnection):
    """A connection that begins with a greeting or a refusal."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__(sessions)
        self._is_refused = False  # nothing but QUIT is of use

    def _greet(self) -> None:
        if self._sessions.connect_lists.lets_in(self.client_address):
            super()._greet()
        else:
            self._await(self._ask_about_client)

    async def _ask_about_client(self) -> None:
        why = await self._sessions.connect_lists.refusal(self.client_address)
        if self._leaving:
            raise ClientGone("the client left while lists were asked about it")
        if why is None:
            super()._greet()
            self._timeouts.enter(Phase.COMMAND, now_s=self._now_s())
            return
        self._is_refused = True
        self._reply(replies.listed(why))
        self._timeouts.enter(Phase.CLOSING, now_s=self._now_s())
