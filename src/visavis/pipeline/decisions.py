"""What is decided about whose turn it is; times are the microphone's, in seconds of sound heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Began:
    """The user speaks, or holds the button."""

    at: float


@dataclass(frozen=True, slots=True)
class Hushed:
    """Somebody may speak into it: the face holds its tongue, and forgets nothing."""

    at: float


@dataclass(frozen=True, slots=True)
class Cleared:
    """It was nothing: the face goes on where it was."""

    at: float


@dataclass(frozen=True, slots=True)
class BargedIn:
    """The face must be silent now."""

    at: float


@dataclass(frozen=True, slots=True)
class Paused:
    """The turn may be over: its transcript is worth making. Seconds of the sound that it holds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """It was not over."""

    at: float


@dataclass(frozen=True, slots=True)
class Taken:
    """The turn is over, and it is the face's turn to speak.

    Attributes:
        start: First second of its sound.
        end: When the speech in it ended; the same as in the ``Paused`` before, if there was one.
        was_cut: It was too long.
    """

    start: float
    end: float
    was_cut: bool = False


@dataclass(frozen=True, slots=True)
class Discarded:
    """It was nothing: a click, a cough, or the face's own voice."""

    at: float
    why: Literal["noise", "own voice", "off"]


Decision: TypeAlias = Began | Hushed | Cleared | BargedIn | Paused | Resumed | Taken | Discarded
