"""What a dialogue remembers: questions, and of the answers what was heard."""

from __future__ import annotations

from visavis.core.types import Message
from visavis.pipeline.turn import Turn

OPEN_TURNS = 4
"""Turns whose heard part may still change: a player reports late."""


class History:
    """The newest messages of a dialogue.

    Args:
        limit: Messages that are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._turns: list[Turn] = []
        self._earlier: list[Message] = []

    def add(self, turn: Turn) -> None:
        """Take a turn that begins."""
        self._turns.append(turn)
        while len(self._turns) > OPEN_TURNS:
            self._earlier += self._turns.pop(0).messages()
            del self._earlier[: -self._limit]

    def note_played(self, number: int, seconds: float) -> None:
        """Take down how far the listener's player got in a turn."""
        for turn in self._turns:
            if turn.number == number:
                turn.note_played(seconds)

    def messages(self) -> list[Message]:
        """Return what was asked and heard, oldest first."""
        messages = list(self._earlier)
        for turn in self._turns:
            messages += turn.messages()
        return messages[-self._limit :]

    def clear(self) -> None:
        """Forget everything; of a turn that is still under way nothing is added later."""
        self._turns.clear()
        self._earlier.clear()
