"""Phonemes in, 24 kHz sound and the exact time of every phoneme out."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from visavis.core.errors import MissingWeights, UnknownVoice
from visavis.core.types import Floats, Language
from visavis.models.assets import locate
from visavis.models.common.phoneme_pieces import Durations, speak_in_pieces
from visavis.models.common.utterance import Utterance, Whole
from visavis.models.kokoro.blends import BLENDS
from visavis.models.kokoro.graphs import (
    DURATIONS,
    EPSILON,
    FEATURES,
    HARMONICS,
    HARMONICS_PER_FRAME,
    Published,
    StyleGains,
)
from visavis.models.kokoro.normalization import (
    SHORTEST,
    UNITS_PER_SECOND,
    describe,
    statistics_of,
)
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
SAMPLES_PER_FRAME = 300
"""Samples for each frame of features."""
CONTEXT = 6
"""Frames on both sides that a window is computed with and that are cut away: with more, what remains
differs by no more than the rounding to 8 bits makes anyway."""
FADE = 240
"""Samples, 10 ms, in which one window goes over into the next."""
LONGEST_WINDOW = 160
"""Frames that are computed at once, 2 s: longer ones are no faster, and hold more memory."""

_LANGUAGE_OF: dict[str, Language] = {"z": "zh", "a": "en", "b": "en"}
_GENDER_OF: dict[str, Literal["female", "male"]] = {"f": "female", "m": "male"}


@dataclass(frozen=True, slots=True)
class _Networks:
    planner: onnxruntime.InferenceSession
    vocoder: onnxruntime.InferenceSession
    gains: StyleGains


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
        self._loaded: _Networks | None = None

    @property
    def voices(self) -> list[str]:
        """Names of the published voices, sorted; see ``language_of`` and ``gender_of``."""
        return self._styles.names

    @property
    def blends(self) -> list[str]:
        """Names of the ``BLENDS`` whose voices are all there."""
        return [name for name, parts in BLENDS.items() if set(parts) <= set(self.voices)]

    def style_of(self, voice: str) -> Floats:
        """Give the mean of a voice's style table, float32 (256,)."""
        return np.asarray(self._styles[voice].mean(axis=0), np.float32)

    @property
    def _networks(self) -> _Networks:
        with self._loading:
            if self._loaded is None:
                published = Published(self._model)
                self._loaded = _Networks(
                    self._load(published.planner()),
                    self._load(published.vocoder()),
                    published.gains(),
                )
            return self._loaded

    def _load(self, model: bytes) -> onnxruntime.InferenceSession:
        # Not through models.runtime: OpenVINO does not run these quantized operators faster.
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = self._threads
        # Waiting threads sleep: several networks share the cores here.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def begin(self, phonemes: str, voice: str, speed: float = 1.0) -> Utterance:
        """Plan a string of phonemes; its sound is computed when it is asked for.

        The plan takes about a seventh of the time of the sound. More than 510 phonemes are spoken at
        once, in pieces that end at pauses.

        Args:
            phonemes: In the alphabet of ``VOCABULARY``; other characters take no time.
            voice: Such as ``zf_xiaobei``, or the name of a blend. Any can say any phoneme.
            speed: 0.5 (slow) to 2 (fast).

        Returns:
            Durations in units of 600 samples: ``durations[i + 1]`` is of ``phonemes[i]``, the first
            and the last are the silence around; and the sound, ``durations.sum() * 600`` samples.
            The same stretches asked for give the same samples.

        Raises:
            UnknownVoice: No such voice.
            TextUnusable: No character of ``phonemes`` is in the alphabet.
            ValueError: The speed is out of range.
        """
        known = np.array([c in VOCABULARY for c in phonemes], bool)
        if not known.any() or known.sum() > MAX_TOKENS:
            return Whole(*self.speak(phonemes, voice, speed))
        utterance = self._begin("".join(c for c in phonemes if c in VOCABULARY), voice, speed)
        durations = np.zeros(len(phonemes) + 2, np.int64)
        durations[np.concatenate(([True], known, [True]))] = utterance.durations
        utterance.durations = durations
        return utterance

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
        return speak_in_pieces(
            phonemes, VOCABULARY, MAX_TOKENS, lambda piece: self._run(piece, voice, speed)
        )

    def plan(self, phonemes: str, voice: str, speed: float = 1.0) -> Plan:
        """Compute what comes before the sound, for at most 510 known phonemes."""
        if not 0.5 <= speed <= 2:
            raise ValueError(f"speed {speed} is not between 0.5 and 2")
        table, networks = self._styles[voice], self._networks
        style = table[min(len(phonemes), len(table) - 1)]
        tokens = [PAD, *(VOCABULARY[c] for c in phonemes), PAD]
        features, harmonics, units = run_session(
            networks.planner,
            [FEATURES, HARMONICS, DURATIONS],
            {
                "tokens": np.array([tokens], np.int64),
                "style": style[None],
                "speed": np.array([speed], np.float32),
            },
        )
        durations = np.rint(np.asarray(units).reshape(-1)).astype(np.int64)
        return Plan(durations, features, harmonics, *networks.gains.of(style))

    def _begin(self, phonemes: str, voice: str, speed: float) -> _Utterance:
        plan, vocoder = self.plan(phonemes, voice, speed), self._networks.vocoder
        if plan.durations.sum() < SHORTEST * UNITS_PER_SECOND:
            return _Utterance(plan, vocoder, own=True)
        described = describe(phonemes, plan.durations)
        means, deviations = statistics_of(voice, self.style_of(voice), described)
        factors = plan.factors / deviations
        addends = plan.addends - means * factors
        return _Utterance(replace(plan, factors=factors, addends=addends), vocoder, own=False)

    def measure(self, phonemes: str, voice: str) -> tuple[Floats, Floats, Floats]:
        """Speak with the published normalization, by the whole of what is said.

        Args:
            phonemes: At most 510, all known.
            voice: As for ``speak``.

        Returns:
            The sound, float32 (n,); means and variances of the channels of all ``NORMS``.
        """
        plan = self.plan(phonemes, voice)
        utterance = _Utterance(plan, self._networks.vocoder, own=True)
        sound, factors, addends = utterance.compute(0, plan.features.shape[2])
        variances = np.square(plan.factors / factors) - np.float32(EPSILON)
        return sound, (plan.addends - addends) / factors, variances

    def _run(self, phonemes: str, voice: str, speed: float) -> tuple[Floats, Durations]:
        utterance = self._begin(phonemes, voice, speed)
        samples = int(utterance.durations.sum()) * SAMPLES_PER_UNIT
        return utterance.sound(0, samples), utterance.durations


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a clause before its sound.

    Attributes:
        durations: int64 (tokens,), in units of 600 samples.
        features: float32 (1, 512, n) for 300 n samples.
        harmonics: float32 (1, 22, 60 n + 1).
        factors: What the vocoder's channels are multiplied with after their normalization.
        addends: What is then added to them.
    """

    durations: Durations
    features: Floats
    harmonics: Floats
    factors: Floats
    addends: Floats


class _Utterance:
    """A clause whose sound is computed when it is asked for. Not for several threads at once.

    Args:
        plan: Its factors and addends also normalize, unless ``own``.
        vocoder: The network.
        own: Whether to normalize by the clause; all of it is then computed at once.
    """

    def __init__(self, plan: Plan, vocoder: onnxruntime.InferenceSession, *, own: bool) -> None:
        self._plan = plan
        self._vocoder = vocoder
        self._own = own
        self._whole: Floats | None = None
        self._over: tuple[int, Floats] = (-1, np.zeros(0, np.float32))
        self.durations = plan.durations

    def sound(self, start: int, end: int) -> Floats:
        """Compute a stretch of samples; one that follows the one before is joined to it."""
        if self._own:
            if self._whole is None:
                self._whole = self.compute(0, self._plan.features.shape[2])[0]
            return self._whole[start:end].copy()
        count = max(1, -(-(end - start) // (LONGEST_WINDOW * SAMPLES_PER_FRAME)))
        edges = np.linspace(start, end, count + 1).round().astype(int)
        return np.concatenate([self._stretch(int(a), int(b)) for a, b in pairwise(edges)])

    def _stretch(self, start: int, end: int) -> Floats:
        if start >= end:
            return np.zeros(0, np.float32)
        first = max(0, start // SAMPLES_PER_FRAME - CONTEXT)
        last = min(self._plan.features.shape[2], -(-end // SAMPLES_PER_FRAME) + CONTEXT)
        known = self.compute(first, last)[0][start - first * SAMPLES_PER_FRAME :]
        sound = known[: end - start].copy()
        # Rounding to 8 bits goes by the range within a stretch: the two differ a little.
        where, over = self._over
        size = min(len(over), len(sound)) if where == start else 0
        ramp = np.linspace(0, 1, size, dtype=np.float32)
        sound[:size] = sound[:size] * ramp + over[:size] * (1 - ramp)
        self._over = (end, known[end - start : end - start + FADE].copy())
        return sound

    def compute(self, first: int, last: int) -> tuple[Floats, Floats, Floats]:
        """Give the sound of a stretch of frames, and by what its channels were normalized."""
        harmonics = slice(HARMONICS_PER_FRAME * first, HARMONICS_PER_FRAME * last + 1)
        sound, factors, addends = run_session(
            self._vocoder,
            ["sound", "factors used", "addends used"],
            {
                "features": self._plan.features[:, :, first:last],
                "harmonics": self._plan.harmonics[:, :, harmonics],
                "factors": self._plan.factors,
                "addends": self._plan.addends,
                "own": np.array(self._own),
            },
        )
        return np.asarray(sound, np.float32).reshape(-1), factors, addends


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
