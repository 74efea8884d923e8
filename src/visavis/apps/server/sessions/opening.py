"""Opening a face, away from the loop: it takes a second."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from visavis.pipeline.bridge import Worker

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast
    from visavis.core.protocols import Performance
    from visavis.core.types import Avatar, Language


@dataclass(frozen=True, slots=True)
class Part:
    """Who is played.

    Attributes:
        name: Of the avatar.
        avatar: As stored.
        performance: Its face, open.
        voices: One for each language.
        size: Width and height of the pictures in pixels.
    """

    name: str
    avatar: Avatar
    performance: Performance
    voices: Mapping[Language, str]
    size: tuple[int, int]


async def open_face(cast: Cast, patience: float | None = None) -> Part:
    """Load the cast's avatar and open its face, on a thread of its own.

    Args:
        cast: Knows avatar and voice.
        patience: Seconds that it may take; None to wait for ever.

    Raises:
        StageError: It took longer; what still comes of it is closed there and then.
        Error: The avatar or the voice is unknown or cannot be used.
    """
    opened: list[Part] = []

    def close_late() -> None:
        for part in opened:
            part.performance.close()

    worker = Worker("avatar", patience, on_lost=lambda at_end: at_end(close_late))
    try:
        opening = asyncio.ensure_future(worker.call(lambda: _open(cast, opened)))
        try:
            part = await asyncio.shield(opening)
            opened.clear()  # whoever asked has it now
            return part
        except asyncio.CancelledError:
            # Whoever asked is gone; what was opened must not stay open.
            with suppress(Exception):
                part = await opening
                await worker.call(part.performance.close)
            raise
    finally:
        await worker.close()


def _open(cast: Cast, opened: list[Part]) -> Part:
    avatar = cast.load_avatar()
    voices = cast.choose_voices(avatar)
    performance = cast.open_performance(avatar)
    # Also the dear first use of its tables, which the first tick should not wait for.
    height, width = performance.idle().image.shape[:2]
    part = Part(avatar.name, avatar, performance, voices, (width, height))
    opened.append(part)
    return part
