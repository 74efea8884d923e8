"""Phonemes in, 24 kHz sound and the exact time of every phoneme out."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from visavis.core.errors import MissingWeights, TextUnusable, UnknownVoice
from visavis.core.types import Floats, Language
from visavis.models.kokoro.vocabulary import PAD, VOCABULARY

if TYPE_CHECKING:
    import onnxruntime

_log = logging.getLogger(__name__)

SAMPLE_RATE = 24_000
"""Hz."""
SAMPLES_PER_UNIT = 600
"""A duration of 1 is 25 ms."""
MAX_TOKENS = 510
"""Phonemes that the network takes at once, without the two pads."""
STYLE_SIZE = 256
DURATIONS = "/encoder/Clip_output_0"
"""Inner value of the graph: how many units each token lasts, already rounded, at least 1."""

_LANGUAGE_OF: dict[str, Language] = {"z": "zh", "a": "en", "b": "en"}
_GENDER_OF: dict[str, Literal["female", "male"]] = {"f": "female", "m": "male"}
_PAUSE = re.compile(r"[;:,.!?—…]\s*")


def add_graph_output(model: bytes, name: str) -> bytes:
    """Declare an inner float value of an ONNX model as one more output of its graph.

    Two serialized protobuf messages that are joined parse as their merge, in which repeated fields
    are appended. So a model that holds nothing but ``graph.output`` is put behind the given one,
    and neither the ``onnx`` package nor a parse of the weights is needed.

    Args:
        model: A serialized ``ModelProto``.
        name: The value to expose.

    Source: protobuf encoding, "Last One Wins"; field numbers from ``onnx.proto3`` (ModelProto.graph
    7, GraphProto.output 12, ValueInfoProto.name 1 and type 2, TypeProto.tensor_type 1,
    Tensor.elem_type 1 with FLOAT 1).
    """
    float_tensor = _field(1, b"\x08\x01")
    value = _field(1, name.encode()) + _field(2, float_tensor)
    return model + _field(7, _field(12, value))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    """Encode a length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


class Kokoro:
    """Kokoro-82M v1.0, int8.

    One object may be used by many threads at once. The network is loaded at the first ``speak``.

    Args:
        model: The .onnx file; by default the asset ``kokoro-int8``.
        voices: The folder of style tables; by default the asset ``kokoro-voices``.
        threads: Of one run; None lets the library choose.
    """

    def __init__(
        self, model: Path | None = None, voices: Path | None = None, threads: int | None = None
    ) -> None:
        if model is None or voices is None:
            from visavis.models.assets import locate

            model = model or locate("kokoro-int8")
            voices = voices or locate("kokoro-voices")
        self._model = model
        self._threads = threads
        self._styles = _StyleTables(voices)

    @property
    def voices(self) -> list[str]:
        """Names of the voices, sorted; see ``language_of`` and ``gender_of``."""
        return self._styles.names

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        model = add_graph_output(self._model.read_bytes(), DURATIONS)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        _log.info("Kokoro runs on ONNX Runtime, %s", session.get_providers()[0])
        return session

    def speak(
        self, phonemes: str, voice: str, speed: float = 1.0
    ) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Speak a string of phonemes. The same input gives the same samples.

        A string of more than 510 phonemes is spoken in pieces that end at pauses.

        Args:
            phonemes: In the alphabet of ``VOCABULARY``; other characters take no time.
            voice: Such as ``zf_xiaobei``. Any voice can say any phoneme.
            speed: 0.5 (slow) to 2 (fast).

        Returns:
            The sound, float32 (n,), and the durations, int64 (len(phonemes) + 2,), in units of
            600 samples: ``durations[i + 1]`` is of ``phonemes[i]``, the first and the last are the
            silence around. ``durations.sum() * 600 == n``.

        Raises:
            UnknownVoice: No such voice.
            TextUnusable: No character of ``phonemes`` is in the alphabet.
            ValueError: The speed is out of range.
        """
        if not 0.5 <= speed <= 2:
            raise ValueError(f"speed {speed} is not between 0.5 and 2")
        known = np.array([c in VOCABULARY for c in phonemes], bool)
        if not known.any():
            raise TextUnusable("there is nothing in the text that a voice could say")
        style = self._styles[voice]
        kept = "".join(c for c in phonemes if c in VOCABULARY)
        durations = np.zeros(len(kept) + 2, np.int64)
        sounds = []
        start = 0
        for piece in split_at_pauses(kept, MAX_TOKENS):
            sound, units = self._run(piece, style, speed)
            sounds.append(sound)
            # The silence between two pieces lengthens the pause that ends the first of them.
            durations[start] += units[0]
            durations[start + 1 : start + 1 + len(piece)] += units[1:-1]
            start += len(piece)
            durations[start if start < len(kept) else start + 1] += units[-1]
        spread = np.zeros(len(phonemes) + 2, np.int64)
        spread[0], spread[-1] = durations[0], durations[-1]
        spread[1:-1][known] = durations[1:-1]
        return np.concatenate(sounds), spread

    def _run(
        self, phonemes: str, style: Floats, speed: float
    ) -> tuple[Floats, npt.NDArray[np.int64]]:
        tokens = [PAD, *(VOCABULARY[c] for c in phonemes), PAD]
        feed: Mapping[str, Any] = {
            "tokens": np.array([tokens], np.int64),
            "style": style[min(len(phonemes), len(style) - 1)][None],
            "speed": np.array([speed], np.float32),
        }
        sound, units = self._session.run(["audio", DURATIONS], feed)
        durations = np.rint(np.asarray(units).reshape(-1)).astype(np.int64)
        return cast(Floats, np.asarray(sound, np.float32).reshape(-1)), durations


class _StyleTables:
    """The voices' style vectors, each float32 (510, 256): a row for each number of phonemes."""

    def __init__(self, folder: Path) -> None:
        self._files = {file.stem: file for file in sorted(folder.glob("*.bin"))}
        self._loaded: dict[str, Floats] = {}
        if not self._files:
            raise MissingWeights(f"no voices in {folder}: pull them with `visavis models pull`")

    @property
    def names(self) -> list[str]:
        return list(self._files)

    def __getitem__(self, name: str) -> Floats:
        if name not in self._files:
            raise UnknownVoice(
                f"kokoro has no voice {name!r}: `visavis voices` lists the ones there are"
            )
        table = self._loaded.get(name)
        if table is None:
            table = np.fromfile(self._files[name], np.float32).reshape(-1, STYLE_SIZE)
            self._loaded[name] = table
        return table


def language_of(voice: str) -> Language | None:
    """Language that a voice was made for, by the first letter of its name; None if not ours."""
    return _LANGUAGE_OF.get(voice[:1])


def gender_of(voice: str) -> Literal["female", "male", "unknown"]:
    """Gender of a voice by the second letter of its name."""
    return _GENDER_OF.get(voice[1:2], "unknown")


def split_at_pauses(phonemes: str, limit: int) -> list[str]:
    """Cut a string into pieces of at most ``limit`` characters whose join is the string.

    Cuts are after the last pause within the limit, else after the last space, else anywhere.
    """
    pieces = []
    while len(phonemes) > limit:
        window = phonemes[:limit]
        cuts = [match.end() for match in _PAUSE.finditer(window)]
        cut = cuts[-1] if cuts else window.rfind(" ") + 1 or limit
        pieces.append(phonemes[:cut])
        phonemes = phonemes[cut:]
    if phonemes:
        pieces.append(phonemes)
    return pieces
