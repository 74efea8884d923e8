"""Commands as they arrive, from a WebSocket or a data channel, checked before the session sees them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pydantic import ValidationError

from visavis.apps.server.protocol import COMMAND
from visavis.apps.server.protocol.commands import Change
from visavis.apps.server.protocol.events import Failure
from visavis.apps.server.transports.ticks import Watched
from visavis.core.errors import UnknownAvatar
from visavis.stages.avatars import store

LONGEST_COMMAND = 512 * 1024
"""Bytes; a typed question of the greatest length in the widest characters fits."""
RATE = 20.0
"""Commands a second that are taken for long."""
BURST = 60.0
"""Commands that may come at once."""


class Intake:
    """Reads the commands of one connection and hands them to the session, in order.

    Args:
        session: Gets the commands.
        clock: Monotonic seconds.
    """

    def __init__(self, session: Watched, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._allowance = BURST
        self._counted = clock()
        self._complained = self._counted - 1

    async def take(self, message: str | bytes) -> Failure | None:
        """Let the session do what a message says.

        Returns:
            What the sender is told when the message is none that can be done.
        """
        now = self._clock()
        self._allowance = min(BURST, self._allowance + (now - self._counted) * RATE)
        self._counted = now
        if self._allowance < 1:
            if now - self._complained < 1:
                return None  # a flood of answers would help nobody
            self._complained = now
            return _refuse(
                f"more than {RATE:g} commands a second came; wait a little between them", True
            )
        self._allowance -= 1
        if isinstance(message, bytes):
            return _refuse("a binary message came where commands are JSON text; send text")
        if len(message) > LONGEST_COMMAND or len(message.encode()) > LONGEST_COMMAND:
            return _refuse(f"the command is longer than {LONGEST_COMMAND} bytes; shorten it")
        try:
            command = COMMAND.validate_json(message)
        except ValidationError as error:
            return _refuse(_describe(error))
        if isinstance(command, Change) and command.avatar:
            # A face may also be a file of this machine; over a wire only stored ones are chosen.
            try:
                await asyncio.to_thread(store.find, command.avatar)
            except UnknownAvatar as error:
                return _refuse(str(error), code="UnknownAvatar")
        await self._session.handle(command)
        return None


def _refuse(message: str, retryable: bool = False, code: str = "InputError") -> Failure:
    return Failure(seq=0, at=0.0, turn=0, code=code, message=message, retryable=retryable)


def _describe(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    where = f"{place}: " if place else ""
    return f"the command cannot be used: {where}{first['msg']}; see docs/live/protocol.schema.json"
