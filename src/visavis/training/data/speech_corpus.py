"""Speech of our own voices with exact phoneme times: made, stored in shards, read.

A shard is an .npz with ``audio``, int16 at 16 kHz, all its utterances one after the other, and
``meta``, JSON: for each utterance its text, language, voice, speed, phonemes and durations.

    python -m visavis.training.data.speech_corpus FOLDER --kokoro 1600 --hibari 3200
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Language, Mark, Waveform
from visavis.media.resampling import resample
from visavis.models.common.heard import trim_to_heard
from visavis.training.data.sentences import make_sentences

_log = logging.getLogger(__name__)

Engine: TypeAlias = Literal["kokoro", "hibari"]

RATE = 16_000
"""Hz of the stored sound and of the marks."""
LAG_S: dict[str, float] = {"kokoro": 0.055, "hibari": 0.050}
"""How much earlier a sound is heard than the durations say. Measured: where the energy above 3.5 kHz
of s, ʃ, ʂ and ɕ is centred, against the middle of their marks, 400 and 1600 sounds; the same for
every voice and speed."""
HELD_OUT_VOICES = frozenset(
    ("zf_xiaoyi", "zm_yunyang", "af_nova", "am_liam", "bf_lily", "bm_fable", "ff_siwis", "jm_kumo")
)
"""Never trained on."""
_PER_SHARD: dict[Engine, int] = {"kokoro": 50, "hibari": 200}


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One sentence, spoken.

    Attributes:
        samples: float32 (n,) at 16 kHz.
        marks: Phonemes in samples at 16 kHz, moved to where they are heard.
        text: What was said.
        language: Of the text.
        voice: Who said it.
        speed: How fast; 1 is usual.
        engine: What made it.
    """

    samples: Floats
    marks: tuple[Mark, ...]
    text: str
    language: Language
    voice: str
    speed: float
    engine: Engine

    @property
    def split(self) -> Literal["train", "sentences", "voices"]:
        """What it is for: training, or testing on held-out sentences or held-out voices."""
        if self.voice in HELD_OUT_VOICES:
            return "voices"
        digest = hashlib.sha256(self.text.encode()).digest()
        return "sentences" if digest[0] < 13 else "train"


def settle_marks(
    phonemes: str, durations: Sequence[float], unit: float, samples: Floats, engine: Engine
) -> tuple[Mark, ...]:
    """Turn a voice's durations into marks of what is heard.

    The sound leads the durations by ``LAG_S``, and a sound before a pause is given the silence that
    follows: it ends where nothing is heard any more.

    Args:
        phonemes: One letter each.
        durations: Of the pad before, of each phoneme and of the pad after, in units.
        unit: Samples at 16 kHz of a unit.
        samples: The sound at 16 kHz.
        engine: What made it.
    """
    edges = np.cumsum(durations) * unit - LAG_S[engine] * RATE
    starts = np.maximum(np.round(edges[:-2]), 0).astype(np.int64)
    ends = np.maximum(np.round(edges[1:-1]), 0).astype(np.int64)
    ends = trim_to_heard(starts, ends, samples, RATE)
    return tuple(
        Mark("phoneme", symbol, int(start), int(end))
        for symbol, start, end in zip(phonemes, starts, ends, strict=True)
    )


def read_corpus(folder: Path) -> Iterator[Utterance]:
    """Yield the utterances of all shards under a folder, in the order of the files' names."""
    for path in sorted(folder.rglob("*.npz")):
        with np.load(path, allow_pickle=False) as shard:
            audio = shard["audio"].astype(np.float32) / 32768
            meta = json.loads(str(shard["meta"]))
        start = 0
        for row in meta:
            samples = audio[start : start + row["n"]]
            start += row["n"]
            yield Utterance(
                samples=samples,
                marks=settle_marks(
                    row["phonemes"], row["durations"], row["unit"] * RATE / 24_000, samples,
                    row["engine"],
                ),
                **{k: row[k] for k in ("text", "language", "voice", "speed", "engine")},
            )  # fmt: skip


def describe_corpus(folder: Path) -> dict[str, Any]:
    """Count what there is, and hash it: the manifest that is kept beside trained weights."""
    counts: dict[str, dict[str, float]] = {}
    voices: set[str] = set()
    for u in read_corpus(folder):
        row = counts.setdefault(
            f"{u.engine} {u.language} {u.split}", {"sentences": 0, "hours": 0.0}
        )
        row["sentences"] += 1
        row["hours"] += len(u.samples) / RATE / 3600
        voices.add(f"{u.engine}:{u.voice}")
    files = sorted(folder.rglob("*.npz"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return {
        "counts": {k: {**v, "hours": round(v["hours"], 3)} for k, v in sorted(counts.items())},
        "voices": sorted(voices),
        "held_out_voices": sorted(HELD_OUT_VOICES),
        "shards": len(files),
        "sha256": digest.hexdigest(),
    }


def make_corpus(folder: Path, engine: Engine, total: int, seed: int = 0) -> None:
    """Speak sentences into shards. Shards that are there already are kept, so it can be resumed.

    Args:
        folder: Gets a folder named after the engine.
        engine: What speaks.
        total: Sentences.
        seed: Of the sentences, the voices and the speeds.
    """
    folder = folder / engine
    folder.mkdir(parents=True, exist_ok=True)
    speak, plan = (_kokoro if engine == "kokoro" else _hibari)(seed)
    per = _PER_SHARD[engine]
    for number in range(-(-total // per)):
        batch = list(islice(plan, min(per, total - number * per)))
        path = folder / f"{number:04d}.npz"
        if path.exists():
            continue
        meta: list[dict[str, Any]] = []
        sounds: list[npt.NDArray[np.int16]] = []
        for item in batch:
            sound, phonemes, durations, unit = speak(item)
            at_16k = resample(Waveform(sound, 24_000), RATE).samples
            sounds.append(np.clip(np.round(at_16k * 32767), -32768, 32767).astype(np.int16))
            meta.append({**item, "engine": engine, "phonemes": phonemes, "unit": unit,
                         "durations": [float(d) for d in durations], "n": len(sounds[-1])})  # fmt: skip
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, audio=np.concatenate(sounds), meta=json.dumps(meta, ensure_ascii=False))
        part.replace(path)
        _log.info("%s: %d of %d sentences", engine, (number + 1) * per, total)


_Speak: TypeAlias = Callable[
    [dict[str, Any]], tuple[Floats, str, npt.NDArray[Any] | list[float], float]
]


def _kokoro(seed: int) -> tuple[_Speak, Iterator[dict[str, Any]]]:
    from hibari.g2p import G2P
    from misaki.zh import ZHG2P

    from visavis.models.kokoro.predictor import SAMPLES_PER_UNIT, Kokoro
    from visavis.models.kokoro.vocabulary import VOCABULARY

    kokoro = Kokoro(threads=1)
    chinese, american, british = ZHG2P(), G2P(british=False), G2P(british=True)
    native = {
        "zh": [v for v in kokoro.voices if v[0] == "z"],
        "en": [v for v in kokoro.voices if v[0] in "ab"],
    }

    def plan() -> Iterator[dict[str, Any]]:
        rng = random.Random(7 + 100 * seed)
        texts = {
            "zh": make_sentences("zh", 1 + 100 * seed),
            "en": make_sentences("en", 1 + 100 * seed),
        }
        while True:
            language = "zh" if rng.random() < 0.6 else "en"
            # Voices of other languages speak with an accent: more speakers than there would be.
            voice = rng.choice(native[language] if rng.random() < 0.65 else kokoro.voices)
            yield {
                "language": language,
                "text": next(texts[language]),
                "voice": voice,
                "speed": round(rng.uniform(0.8, 1.3), 2),
            }

    def speak(item: dict[str, Any]) -> tuple[Floats, str, npt.NDArray[Any], float]:
        if item["language"] == "zh":
            written = chinese(item["text"])[0]
        else:
            written = (british if item["voice"][0] == "b" else american)(item["text"])
        phonemes = "".join(c for c in written if c in VOCABULARY)
        sound, durations = kokoro.speak(phonemes, item["voice"], item["speed"])
        return sound, phonemes, durations, SAMPLES_PER_UNIT

    return speak, plan()


def _hibari(seed: int) -> tuple[_Speak, Iterator[dict[str, Any]]]:
    from hibari.g2p import G2P

    from visavis.models.hibari.predictor import SAMPLES_PER_UNIT, Hibari
    from visavis.models.kokoro.vocabulary import VOCABULARY

    hibari, american = Hibari(), G2P(british=False)

    def plan() -> Iterator[dict[str, Any]]:
        rng = random.Random(8 + 100 * seed)
        for text in make_sentences("en", 2 + 100 * seed):
            speed = round(rng.uniform(0.75, 1.35), 2)
            yield {"language": "en", "text": text, "voice": "heart", "speed": speed}

    def speak(item: dict[str, Any]) -> tuple[Floats, str, npt.NDArray[Any], float]:
        phonemes = "".join(c for c in american(item["text"]) if c in VOCABULARY)
        sound, durations = hibari.speak(phonemes, item["speed"])
        return sound, phonemes, durations, SAMPLES_PER_UNIT

    return speak, plan()


def main() -> None:
    """Make a corpus from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kokoro", type=int, default=1600)
    parser.add_argument("--hibari", type=int, default=3200)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    make_corpus(given.folder, "hibari", given.hibari)
    make_corpus(given.folder, "kokoro", given.kokoro)


if __name__ == "__main__":
    main()
