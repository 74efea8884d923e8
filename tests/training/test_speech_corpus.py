from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visavis.training.data import speech_corpus
from visavis.training.data.speech_corpus import (
    HELD_OUT_VOICES,
    LAG_S,
    RATE,
    Utterance,
    describe_corpus,
    make_corpus,
    read_corpus,
    settle_marks,
)


def test_marks_are_moved_to_where_they_are_heard() -> None:
    samples = np.full(RATE, 0.1, np.float32)
    marks = settle_marks("ab", [10, 4, 6, 2], 400, samples, "kokoro")
    lag = round(LAG_S["kokoro"] * RATE)
    assert [(m.text, m.start, m.end) for m in marks] == [
        ("a", 4000 - lag, 5600 - lag),
        ("b", 5600 - lag, 8000 - lag),
    ]


def test_silence_is_taken_from_the_sound_before_it() -> None:
    samples = np.zeros(RATE, np.float32)
    samples[4000:8000] = 0.1
    (mark,) = settle_marks("a", [10, 30, 1], 400, samples, "hibari")
    assert mark.start == 4000 - 800
    assert abs(mark.end - 8000) <= 80


def test_marks_never_begin_before_the_sound() -> None:
    (mark,) = settle_marks("a", [1, 5, 1], 400, np.ones(RATE, np.float32), "kokoro")
    assert mark.start == 0


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_corpus, "_PER_SHARD", {"kokoro": 1, "hibari": 3})


@pytest.mark.usefixtures("small_shards")
def test_corpus_of_the_fast_voice(tmp_path: Path) -> None:
    make_corpus(tmp_path, "hibari", 6)
    files = sorted(tmp_path.rglob("*"))
    made = [f.stat().st_mtime_ns for f in files if f.suffix == ".npz"]
    assert len(made) == 2
    make_corpus(tmp_path, "hibari", 6)
    assert [f.stat().st_mtime_ns for f in sorted(tmp_path.rglob("*.npz"))] == made

    utterances = list(read_corpus(tmp_path))
    assert len(utterances) == 6
    for u in utterances:
        assert u.engine == "hibari"
        assert u.samples.dtype == np.float32
        assert 0.01 < np.abs(u.samples).max() <= 1
        assert len(u.marks) > 10
        starts = [m.start for m in u.marks]
        assert starts == sorted(starts)
        assert u.marks[-1].end <= len(u.samples)
        loud = np.flatnonzero(np.abs(u.samples) > 0.01)
        said = [m for m in u.marks if m.text.isalpha()]
        assert abs(said[0].start - loud[0]) < 0.15 * RATE
        assert abs(said[-1].end - loud[-1]) < 0.25 * RATE
    described = describe_corpus(tmp_path)
    assert sum(row["sentences"] for row in described["counts"].values()) == 6
    assert described["shards"] == 2


@pytest.mark.assets
@pytest.mark.usefixtures("small_shards")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # jieba's import of pkg_resources
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_corpus_of_many_voices(tmp_path: Path) -> None:
    make_corpus(tmp_path, "kokoro", 1)
    utterances = list(read_corpus(tmp_path))
    assert [u.engine for u in utterances] == ["kokoro"]
    assert len(utterances[0].marks) > 5


def test_voices_and_sentences_are_held_out() -> None:
    def split(voice: str, text: str) -> str:
        return Utterance(np.zeros(1, np.float32), (), text, "en", voice, 1.0, "kokoro").split

    assert {split(v, "Any text.") for v in HELD_OUT_VOICES} == {"voices"}
    splits = [split("af_heart", f"Sentence number {i}.") for i in range(1000)]
    assert 20 < splits.count("sentences") < 90
    assert splits.count("train") + splits.count("sentences") == 1000
