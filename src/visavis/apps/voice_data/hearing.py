"""What is said in each piece, read twice, and kept so that a killed run goes on where it was."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visavis.apps.voice_data.texts import tidy
from visavis.core.errors import AudioSilent, AudioTooShort
from visavis.core.types import Floats, Waveform
from visavis.media.files import finish_or_discard
from visavis.media.resampling import resample

_RATE = 16_000
_AROUND = 0.3
"""Seconds of silence before and after a piece, so that no recogniser takes its edge for noise."""
_NOISE_DB = -20.0
"""Of the noise in the second reading, against the piece: what it changes was not sure before."""
_FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A piece to be understood.

    Attributes:
        clean: As it will be trained on.
        original: The same stretch before noise was taken out.
    """

    clean: Waveform
    original: Waveform


@dataclass(frozen=True, slots=True)
class Heard:
    """What was understood of a piece; empty where nothing was."""

    text: str
    second: str


def hear_all(
    recognizer: Any,
    about: str,
    pieces: Sequence[Piece],
    folder: Path,
    told: Callable[[int], None] = lambda done: None,
) -> list[Heard]:
    """Understand pieces, those that were understood before from the notes.

    Args:
        recognizer: A stage.
        about: Names the recogniser and its options; notes made with others are not used.
        pieces: In any order.
        folder: Of the notes; it must exist.
        told: Told how many are done.

    Raises:
        MissingWeights: The recogniser's models are not on this machine.
        StageError: It failed; what was done until then is kept.
        OutputUnwritable: The notes cannot be written.
    """
    return asyncio.run(_hear_all(recognizer, about, pieces, folder, told))


async def _hear_all(
    recognizer: Any,
    about: str,
    pieces: Sequence[Piece],
    folder: Path,
    told: Callable[[int], None],
) -> list[Heard]:
    found = []
    for number, piece in enumerate(pieces):
        note = folder / f"{_digest(about, piece)}.json"
        heard = _read(note)
        if heard is None:
            heard = Heard(
                await _hear(recognizer, _prepare(piece.clean)),
                await _hear(recognizer, _prepare(_with_noise(piece.original))),
            )
            _write(note, heard)
        found.append(heard)
        told(number + 1)
    return found


async def _hear(recognizer: Any, sound: Waveform) -> str:
    async def chunks() -> AsyncIterator[Waveform]:
        yield sound

    try:
        texts = [t.text async for t in recognizer.transcribe(chunks()) if t.is_final]
    except (AudioSilent, AudioTooShort):
        return ""
    return tidy(" ".join(texts))


def _prepare(piece: Waveform) -> Waveform:
    sound = resample(Waveform(piece.samples, piece.sample_rate), _RATE)
    return Waveform(np.pad(sound.samples, round(_AROUND * _RATE)), _RATE)


def _with_noise(piece: Waveform) -> Waveform:
    power = float(np.mean(np.square(piece.samples, dtype=np.float64)))
    noise = np.random.default_rng(0).normal(size=len(piece.samples))
    added = piece.samples + noise * np.sqrt(power * 10 ** (_NOISE_DB / 10))
    return Waveform(np.asarray(np.clip(added, -1, 1), np.float32), piece.sample_rate)


def _digest(about: str, piece: Piece) -> str:
    digest = hashlib.sha256(f"{_FORMAT}\0{about}\0{piece.clean.sample_rate}\0".encode())
    digest.update(_pcm(piece.clean.samples))
    digest.update(_pcm(piece.original.samples))
    return digest.hexdigest()[:32]


def _pcm(samples: Floats) -> bytes:
    return np.asarray(np.rint(np.clip(samples, -1, 1) * 32767), "<i2").tobytes()


def _read(note: Path) -> Heard | None:
    try:
        row = json.loads(note.read_text("utf-8"))
        if isinstance(row["text"], str) and isinstance(row["second"], str):
            return Heard(row["text"], row["second"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _write(note: Path, heard: Heard) -> None:
    row = {"text": heard.text, "second": heard.second}
    with finish_or_discard(note) as part:
        part.write_text(json.dumps(row, ensure_ascii=False), "utf-8")
