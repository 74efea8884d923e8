"""Phonemes in, 24 kHz sound and the exact time of every phoneme out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from visavis.core.errors import MissingWeights, UnknownVoice
from visavis.core.types import Floats, Language
from visavis.models.assets import locate
from visavis.models.common.graph_outputs import add_graph_output
from visavis.models.common.phoneme_pieces import Durations, speak_in_pieces
from visavis.models.kokoro.blends import BLENDS
from visavis.models.kokoro.vocabulary import PAD, VOCABULARY
from visavis.models.runtime import default_threads, run_session

if TYPE_CHECKING:
    import onnxruntime

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


class Kokoro:
    """Kokoro-82M v1.0, int8.

    One object may be used by many threads at once. The network is loaded at the first ``speak``.

    Args:
        model: The .onnx file; by default the asset ``kokoro-int8``.
        voices: The folder of style tables; by default the asset ``kokoro-voices``.
        threads: Of one run; by default two, or one on a single core.
    """

    def __init__(
        self, model: Path | None = None, voices: Path | None = None, threads: int | None = None
    ) -> None:
        self._model = model or locate("kokoro-int8")
        self._styles = _StyleTables(voices or locate("kokoro-voices"))
        self._threads = threads or default_threads()
        self._loading = threading.Lock()
        self._loaded: onnxruntime.InferenceSession | None = None

    @property
    def voices(self) -> list[str]:
        """Names of the published voices, sorted; see ``language_of`` and ``gender_of``."""
        return self._styles.names

    @property
    def blends(self) -> list[str]:
        """Names of the ``BLENDS`` whose voices are all there."""
        return [name for name, parts in BLENDS.items() if set(parts) <= set(self.voices)]

    @property
    def _session(self) -> onnxruntime.InferenceSession:
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> onnxruntime.InferenceSession:
        # Not through models.runtime: the duration output is added in memory, and OpenVINO does not
        # run this file's quantized operators faster.
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = self._threads
        # Waiting threads sleep: several networks share the cores here.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        model = add_graph_output(self._model.read_bytes(), DURATIONS)
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def speak(self, phonemes: str, voice: str, speed: float = 1.0) -> tuple[Floats, Durations]:
        """Speak a string of phonemes. The same input gives the same samples.

        A string of more than 510 phonemes is spoken in pieces that end at pauses.

        Args:
            phonemes: In the alphabet of ``VOCABULARY``; other characters take no time.
            voice: Such as ``zf_xiaobei``, or the name of a blend. Any can say any phoneme.
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
        style = self._styles[voice]
        return speak_in_pieces(
            phonemes, VOCABULARY, MAX_TOKENS, lambda piece: self._run(piece, style, speed)
        )

    def _run(self, phonemes: str, style: Floats, speed: float) -> tuple[Floats, Durations]:
        tokens = [PAD, *(VOCABULARY[c] for c in phonemes), PAD]
        feed: Mapping[str, Any] = {
            "tokens": np.array([tokens], np.int64),
            "style": style[min(len(phonemes), len(style) - 1)][None],
            "speed": np.array([speed], np.float32),
        }
        sound, units = run_session(self._session, ["audio", DURATIONS], feed)
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
        table = self._loaded.get(name)
        if table is None:
            parts = (name,) if name in self._files else BLENDS.get(name, (name,))
            table = np.mean([self._read(part) for part in parts], axis=0, dtype=np.float32)
            self._loaded[name] = table
        return table

    def _read(self, name: str) -> Floats:
        if name not in self._files:
            raise UnknownVoice(
                f"kokoro has no voice {name!r}: `visavis voices` lists the ones there are"
            )
        return np.fromfile(self._files[name], np.float32).reshape(-1, STYLE_SIZE)


def language_of(voice: str) -> Language | None:
    """Language that a voice was made for, by the first letter of its name; None if not ours."""
    return _LANGUAGE_OF.get(voice[:1])


def gender_of(voice: str) -> Literal["female", "male", "unknown"]:
    """Gender of a voice by the second letter of its name."""
    return _GENDER_OF.get(voice[1:2], "unknown")
