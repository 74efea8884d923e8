"""Spoken sentences as files: 16-bit sound and its marks, read again as they were."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import IO, Any

import numpy as np

from visavis.core.types import Mark, Sentence, Speech, Waveform

FORMAT = 1
"""Raised when files are written differently, so that old ones are not looked for any more."""
LARGEST = 32 << 20
"""Bytes of a file that is read; ten minutes of speech."""
STEP = 1 / 32_767
"""Of the samples."""


class FileBroken(Exception):
    """A file is not a spoken sentence, or not the one that was looked for."""


def write_speeches(file: IO[bytes], name: str, speeches: Sequence[Speech]) -> None:
    """Write the sound of one whole sentence.

    Args:
        file: Open for writing.
        name: Written along, so that the file can be known again.
        speeches: In order, at one sample rate, to the last.

    Raises:
        OSError: The disk is full, say.
    """
    about = {
        "format": FORMAT,
        "name": name,
        "rate": speeches[0].audio.sample_rate,
        "pieces": [
            {
                "size": len(speech.audio.samples),
                "offset": int(speech.audio.offset),
                "marks": [[m.kind, m.text, int(m.start), int(m.end)] for m in speech.marks],
            }
            for speech in speeches
        ],
    }
    sound = np.concatenate([speech.audio.samples for speech in speeches])
    samples = np.round(np.clip(sound, -1, 1) / STEP).astype(np.int16)
    text = np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8)
    np.savez(file, about=text, samples=samples)


def read_speeches(file: IO[bytes], name: str, sentence: Sentence) -> tuple[Speech, ...]:
    """Read what ``write_speeches`` wrote, as the sound of a sentence.

    Raises:
        FileBroken: It is cut short or changed, something else, or of another name.
        OSError: It cannot be read.
    """
    try:
        # The archive's own checksums are compared while its parts are read.
        with np.load(file, allow_pickle=False) as parts:
            about = json.loads(parts["about"].tobytes())
            samples = parts["samples"]
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FileBroken(f"it is no whole file of speech ({error})") from error
    except NotImplementedError as error:
        raise FileBroken("it is compressed in a way that is not used here") from error
    try:
        if (about["format"], about["name"]) != (FORMAT, name):
            raise FileBroken("it holds another sentence, or another format")
        return _take_apart(about, samples, sentence)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileBroken(f"its parts do not fit together ({error})") from error


def _take_apart(about: dict[str, Any], samples: Any, sentence: Sentence) -> tuple[Speech, ...]:
    pieces: list[dict[str, Any]] = about["pieces"]
    rate = int(about["rate"])
    edges = np.cumsum([0, *(int(piece["size"]) for piece in pieces)])
    if samples.dtype != np.int16 or samples.ndim != 1 or not pieces or rate <= 0:
        raise FileBroken("it holds no 16-bit sound")
    if edges[-1] != len(samples) or any(end < start for start, end in pairwise(edges)):
        raise FileBroken("its pieces are not as long as its sound")
    sound = (samples * np.float32(STEP)).astype(np.float32)
    last = len(pieces) - 1
    return tuple(
        Speech(
            sentence.turn,
            sentence,
            Waveform(sound[edges[i] : edges[i + 1]], rate, int(piece["offset"])),
            tuple(Mark(_kind(k), str(t), int(a), int(b)) for k, t, a, b in piece["marks"]),
            is_last=i == last,
        )
        for i, piece in enumerate(pieces)
    )


def _kind(text: str) -> Any:
    if text not in ("word", "phoneme"):
        raise ValueError(f"there are no marks of the kind {text!r}")
    return text
