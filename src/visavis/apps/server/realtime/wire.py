"""How OpenAI's realtime events are written: ids, sound in base64, what cannot be read."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from visavis.core.errors import InputError
from visavis.core.types import Floats

RATE = 24_000
"""Hz, both ways."""

Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]


class EventUnusable(InputError):
    """A client's event is not understood.

    Args:
        message: What was found and what to do.
        param: The field.
    """

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


def read_object(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Give a field that is an object; an empty one where it is something else."""
    found = event.get(name)
    return found if isinstance(found, Mapping) else {}


def check_format(format: Any) -> None:
    """Refuse a sound format that is not 16-bit PCM at 24 kHz; None is no wish.

    Raises:
        EventUnusable: It is another.
    """
    kind = format.get("type") if isinstance(format, Mapping) else format
    rate = format.get("rate", RATE) if isinstance(format, Mapping) else RATE
    if kind not in (None, "audio/pcm", "pcm16") or rate != RATE:
        raise EventUnusable(
            f"sound of {str(kind)[:40]} at {str(rate)[:10]} Hz is not taken;"
            f" use 16-bit audio/pcm at {RATE} Hz"
        )


def decode_sound(audio: Any) -> Floats:
    """Read 16-bit little-endian samples from base64.

    Raises:
        EventUnusable: They are none.
    """
    if not isinstance(audio, str):
        raise EventUnusable("'audio' must be a text in base64", "audio")
    try:
        data = base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError):
        raise EventUnusable("'audio' is not base64", "audio") from None
    if not data or len(data) % 2:
        raise EventUnusable("'audio' must hold 16-bit samples", "audio")
    samples: Floats = np.frombuffer(data, "<i2").astype(np.float32)
    samples *= np.float32(1 / 32768)
    return samples


def make_id(kind: str) -> str:
    """Make a new id, such as ``item_4f…``."""
    return f"{kind}_{secrets.token_hex(10)}"
