"""English phonemes in, 24 kHz sound and the exact time of every phoneme out, 100 times real time."""

from __future__ import annotations

import json
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from visavis.core.errors import MissingWeights
from visavis.core.types import Floats
from visavis.models.common.graph_outputs import add_graph_output
from visavis.models.common.phoneme_pieces import Durations, speak_in_pieces

if TYPE_CHECKING:
    import onnxruntime

SAMPLE_RATE = 24_000
"""Hz."""
SAMPLES_PER_UNIT = 600
"""A duration of 1 is 25 ms: two of the network's frames."""
MAX_TOKENS = 400
"""Phonemes that the network is given at once, without the two pads."""
DURATIONS = "/Clip_output_0"
"""Inner value of the graph: how many units each token lasts."""
_SPECTRA = ("lh", "theta", "ln", "lr", "phi", "f0")


class Hibari:
    """hibari-tts 0.2.1 with its one bundled voice, American and female.

    One object may be used by many threads at once. The network is loaded at the first ``speak``.

    Args:
        assets: The folder with ``hibari.onnx`` and ``vocab.json``; by default the package's own.
        threads: Of one run.
        seed: Of the noise in the sound; the same seed gives the same samples.

    Raises:
        MissingWeights: The package is not installed or has no network in it.
    """

    def __init__(self, assets: Path | None = None, threads: int = 1, seed: int = 0) -> None:
        if assets is None:
            # find_spec, not import: the package opens its tables when it is imported.
            spec = find_spec("hibari")
            assets = Path(str(spec.origin)).parent / "assets" if spec else Path("hibari")
        self._model = assets / "hibari.onnx"
        if not self._model.is_file():
            raise MissingWeights(f"{self._model} is missing: pip install hibari-tts==0.2.1")
        self._vocabulary: dict[str, int] = json.loads((assets / "vocab.json").read_text("utf-8"))
        self._threads = threads
        self._seed = seed
        self._loading = threading.Lock()
        self._loaded: onnxruntime.InferenceSession | None = None

    @property
    def _session(self) -> onnxruntime.InferenceSession:
        with self._loading:
            if self._loaded is None:
                import onnxruntime

                options = onnxruntime.SessionOptions()
                options.log_severity_level = 3
                options.intra_op_num_threads = self._threads
                model = add_graph_output(self._model.read_bytes(), DURATIONS)
                self._loaded = onnxruntime.InferenceSession(
                    model, options, providers=["CPUExecutionProvider"]
                )
            return self._loaded

    def speak(self, phonemes: str, speed: float = 1.0) -> tuple[Floats, Durations]:
        """Speak a string of phonemes. The same input gives the same samples.

        Args:
            phonemes: In Kokoro's alphabet, as ``hibari.g2p`` writes them.
            speed: 0.5 (slow) to 2 (fast).

        Returns:
            The sound, float32 (n,), and the durations, int64 (len(phonemes) + 2,), in units of
            600 samples: ``durations[i + 1]`` is of ``phonemes[i]``, the first and the last are the
            silence around. ``durations.sum() * 600 == n``.

        Raises:
            TextUnusable: No character of ``phonemes`` is in the alphabet.
            ValueError: The speed is out of range.
        """
        if not 0.5 <= speed <= 2:
            raise ValueError(f"speed {speed} is not between 0.5 and 2")
        return speak_in_pieces(
            phonemes, self._vocabulary, MAX_TOKENS, lambda piece: self._run(piece, speed)
        )

    def _run(self, phonemes: str, speed: float) -> tuple[Floats, Durations]:
        from hibari import dsp

        tokens = [0, *(self._vocabulary[c] for c in phonemes), 0]
        feed: dict[str, Any] = {
            "ids": np.array([tokens], np.int64),
            "speed": np.array([speed], np.float32),
        }
        *spectra, units = self._session.run([*_SPECTRA, DURATIONS], feed)
        noise = np.random.default_rng(self._seed)
        sound = dsp.synth(*(s[0] for s in spectra), noise)
        return sound.astype(np.float32), np.rint(units.reshape(-1)).astype(np.int64)
