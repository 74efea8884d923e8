import json
import multiprocessing
import os
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from visavis.apps.assemble import Cast, VoiceRouter
from visavis.apps.shelved_voices import ShelvedVoices
from visavis.apps.speech_file import STEP
from visavis.apps.speech_shelf import SpeechShelf, name_sentence
from visavis.core import registry
from visavis.core.types import Mark, Sentence, Speech, Waveform
from visavis.stages.fakes import ToneSynthesizer

MB = 1_000_000
RATE = 24_000


def make_sentence(text="Good morning.", turn=1, index=1, emotion="neutral"):
    return Sentence(turn, index, text, "en", emotion)


def speak(sentence, seconds=1.0, pieces=2, seed=0):
    """Noise in pieces, with a word in Chinese and a phoneme each."""
    rng = np.random.default_rng(seed)
    size = int(RATE * seconds / pieces)
    return [
        Speech(
            sentence.turn,
            sentence,
            Waveform(rng.uniform(-0.94, 0.94, size).astype(np.float32), RATE, i * size),
            (Mark("word", "请", i * size - 3, i * size + 40), Mark("phoneme", "ʈ͡ʂ", i * size, i * size + 9)),
            is_last=i == pieces - 1,
        )
        for i in range(pieces)
    ]  # fmt: skip


def name(sentence, voice="v", spoken_by="tone 1"):
    return name_sentence(sentence, voice, spoken_by)


def keep(shelf, text, **options):
    sentence = make_sentence(text)
    return shelf.keep(name(sentence), speak(sentence), **options)


def has(shelf, text):
    return bool(shelf.recall(name(make_sentence(text)), make_sentence(text)))


@pytest.fixture
def shelf(tmp_path):
    return SpeechShelf(tmp_path / "speech", 10 * MB)


def test_what_comes_back_is_what_was_kept(shelf):
    sentence, again = make_sentence(), make_sentence(turn=9)
    spoken = speak(sentence)
    assert shelf.keep(name(sentence), spoken)
    found = SpeechShelf(shelf.folder, 10 * MB).recall(name(again), again)
    assert len(found) == len(spoken)
    for before, after in zip(spoken, found, strict=True):
        assert (after.turn, after.sentence) == (9, again)
        assert after.audio.samples.dtype == np.float32
        assert (after.audio.sample_rate, after.audio.offset) == (RATE, before.audio.offset)
        assert np.abs(after.audio.samples - before.audio.samples).max() <= 0.51 * STEP
        assert (after.marks, after.is_last) == (before.marks, before.is_last)


def test_every_cause_of_another_sound_gives_another_name():
    base = make_sentence()
    names = {
        name(base),
        name(make_sentence("Good night.")),
        name(make_sentence(emotion="sad")),
        name(make_sentence(index=0)),
        name(Sentence(1, 1, base.text, "zh")),
        name(Sentence(1, 1, base.text, "en", intensity=0.6)),
        name(Sentence(1, 1, base.text, "en", rate=0.9)),
        name(base, "w"),
        name(base, spoken_by="tone 2"),
    }
    assert len(names) == 9
    assert name(make_sentence(turn=5, index=3)) == name(base)


def test_a_sentence_at_the_usual_pace_has_the_name_that_it_always_had():
    sentence = Sentence(3, 1, "您好。", "zh", "happy", 0.5)
    told = name_sentence(sentence, "zf_xiaohe", "kokoro visavis 1 24000")
    assert told == "3602ac6a6a18ec8fc2a1fb59a73d7026aa59be338528746b8a1af874c72c40b1"


def test_half_a_sentence_is_not_kept(shelf):
    assert not shelf.keep(name(make_sentence()), speak(make_sentence())[:1])
    assert not shelf.keep(name(make_sentence()), [])
    assert shelf.measure() == (0, 0)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-2000])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(bytes(content))


def _empty(path):
    path.write_bytes(b"")


def _text(path):
    path.write_text("not ours at all")


def _pickled(path):
    with path.open("wb") as file:
        np.savez(file, about=np.array([{}], object), samples=np.zeros(3, np.int16))


def _rewrite(path, change, samples=None):
    with np.load(path) as parts:
        about, sound = json.loads(parts["about"].tobytes()), parts["samples"]
    change(about)
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, about=text, samples=sound if samples is None else samples)


def _other_name(path):
    _rewrite(path, lambda about: about.update(name="0" * 64))


def _too_long(path):
    _rewrite(path, lambda about: about["pieces"][0].update(size=10**6))


def _negative(path):
    def change(about):
        about["pieces"][0]["size"] += 30_000
        about["pieces"][1]["size"] -= 30_000

    _rewrite(path, change)


def _odd_mark(path):
    _rewrite(path, lambda about: about["pieces"][0].update(marks=[["shape", "a", 0, 1]]))


def _no_list(path):
    _rewrite(path, lambda about: about.update(pieces={}))


def _floats(path):
    _rewrite(path, lambda about: None, np.zeros(RATE))


def _other_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


@pytest.mark.parametrize(
    "spoil",
    [_cut, _flip, _empty, _text, _pickled, _other_name, _too_long, _negative, _odd_mark, _no_list,
     _floats, _other_archive],
)  # fmt: skip
def test_a_broken_or_foreign_file_is_dropped(shelf, caplog, spoil):
    keep(shelf, "One.")
    (path,) = shelf.folder.iterdir()
    spoil(path)
    assert not has(shelf, "One.")
    assert "is dropped" in caplog.text
    assert not path.exists()
    assert keep(shelf, "One.")
    assert has(shelf, "One.")


def test_the_longest_unused_makes_room(tmp_path):
    shelf = SpeechShelf(tmp_path, 260_000)  # five sentences of 50 kB
    texts = [f"Sentence {n}." for n in range(5)]
    for age, text in enumerate(texts):
        keep(shelf, text)
        at = time.time() - 100 + age
        os.utime(shelf.folder / f"{name(make_sentence(text))}.npz", (at, at))
    assert has(shelf, texts[0])
    assert keep(shelf, "One more.")
    assert [has(shelf, text) for text in (*texts, "One more.")] == [
        True, False, False, True, True, True,
    ]  # fmt: skip
    assert shelf.measure()[1] <= 260_000


def test_of_those_touched_together_the_first_goes_first(tmp_path):
    shelf = SpeechShelf(tmp_path, 260_000)
    texts = [f"Sentence {n}." for n in range(5)]
    for text in texts:
        keep(shelf, text)
    order = [texts[n] for n in (3, 1, 0, 4, 2)]
    shelf.touch([name(make_sentence(text)) for text in order])
    assert keep(shelf, "One more.")
    assert [has(shelf, text) for text in order] == [False, False, True, True, True]


def test_many_sentences_never_take_more_than_the_limit(tmp_path):
    shelf = SpeechShelf(tmp_path, 1 * MB)
    for n in range(60):
        assert keep(shelf, f"Sentence {n}.")
        assert shelf.measure()[1] <= 1 * MB
    assert shelf.measure()[0] > 15


def test_what_is_prepared_does_not_push_out_what_is_needed(tmp_path):
    shelf = SpeechShelf(tmp_path, 260_000)
    keep(shelf, "An old one.")
    at = time.time() - 1000
    os.utime(shelf.folder / f"{name(make_sentence('An old one.'))}.npz", (at, at))
    began = time.time() - 10
    kept = [keep(shelf, f"Prepared {n}.", dropping=began) for n in range(9)]
    assert kept == [True] * 5 + [False] * 4
    assert not has(shelf, "An old one.")
    assert all(has(shelf, f"Prepared {n}.") for n in range(5))


def test_what_nobody_used_for_long_is_deleted(shelf):
    keep(shelf, "Old.")
    at = time.time() - 91 * 86_400
    os.utime(shelf.folder / f"{name(make_sentence('Old.'))}.npz", (at, at))
    keep(shelf, "New.")
    assert shelf.expire(time.time() - 90 * 86_400) == 1
    assert (has(shelf, "Old."), has(shelf, "New.")) == (False, True)


def test_what_was_left_half_written_goes(shelf):
    keep(shelf, "One.")
    part = shelf.folder / f"{name(make_sentence('One.'))}.npz.0123abcd.part"
    other = shelf.folder / "mine.part"
    for path in (part, other):
        path.write_bytes(b"half")
        os.utime(path, (1, 1))
    shelf.measure()
    assert (part.exists(), other.exists()) == (False, True)


def test_a_full_disk_is_said_once_and_speech_goes_on(tmp_path, caplog):
    """Under a real limit of the system, in a process of its own."""
    code = f"""
import logging, resource, signal, sys
sys.path.insert(0, {str(os.path.dirname(__file__))!r})
logging.basicConfig(format="%(message)s")
from pathlib import Path
from test_speech_shelf import keep, has, MB
from visavis.apps.speech_shelf import SpeechShelf
shelf = SpeechShelf(Path({str(tmp_path)!r}), 10 * MB)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
assert not any([keep(shelf, f"{{n}}.") for n in range(5)])
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert keep(shelf, "6.") and has(shelf, "6.")
assert len(list(shelf.folder.iterdir())) == 1
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("speech cannot be kept") == 1
    assert "largest file size" in run.stderr


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path, caplog):
    (tmp_path / "speech").write_text("a file is in the way")
    shelf = SpeechShelf(tmp_path / "speech", 10 * MB)
    assert not any([keep(shelf, "One."), keep(shelf, "Two."), has(shelf, "One.")])
    shelf.touch([name(make_sentence())])
    assert shelf.measure() == (0, 0)
    assert len(caplog.records) == 1


def _fill(folder, start):
    shelf = SpeechShelf(folder, 1 * MB)
    for n in range(start, start + 120):
        keep(shelf, f"Sentence {n % 40}.")
        for m in (n % 40, (n + 7) % 40):
            sentence = make_sentence(f"Sentence {m}.")
            found = shelf.recall(name(sentence), sentence)
            assert not found or found[-1].is_last


def test_two_processes_share_a_shelf(tmp_path, caplog):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_fill, args=(tmp_path, start)) for start in (0, 13)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    shelf = SpeechShelf(tmp_path, 1 * MB)
    count, size = shelf.measure()
    assert count == len(list(tmp_path.iterdir())) > 10, "nothing is left half written"
    assert size < 1.2 * MB


@pytest.fixture
def counted(monkeypatch):
    spoken = []

    class Counting(ToneSynthesizer):
        def version(self):
            return "1"

        def speak(self, sentence, voice):
            spoken.append(sentence.text)
            return super().speak(sentence, voice)

    monkeypatch.setattr(registry, "names", lambda kind: ["tone"])
    monkeypatch.setattr(registry, "load", lambda kind, name: Counting)
    return spoken


async def _say(voices, text, index=0):
    return [s async for s in voices.speak(make_sentence(text, index=index), "tone_low")]


async def test_a_sentence_is_spoken_once_over_a_restart(shelf, counted):
    voices = ShelvedVoices(VoiceRouter(), shelf, keeping=True)
    first = await _say(voices, "Good morning.")
    shelf.settle()
    again = ShelvedVoices(VoiceRouter(), SpeechShelf(shelf.folder, 10 * MB), keeping=True)
    second = await _say(again, "Good morning.")
    assert counted == ["Good morning."]
    for a, b in zip(first, second, strict=True):
        assert np.abs(a.audio.samples - b.audio.samples).max() <= 0.51 * STEP
        assert (a.marks, a.is_last, a.sentence) == (b.marks, b.is_last, b.sentence)
    await _say(again, "Good morning.", index=1)
    assert len(counted) == 2, "an opening sentence is cut otherwise"


async def test_what_is_broken_off_is_not_kept(shelf, counted):
    voices = ShelvedVoices(VoiceRouter(), shelf, keeping=True)
    speeches = voices.speak(make_sentence("One two three."), "tone_low")
    await anext(speeches)
    await speeches.aclose()
    shelf.settle()
    assert shelf.measure()[0] == 0


async def test_without_keeping_it_only_reads(shelf, counted):
    await _say(ShelvedVoices(VoiceRouter(), shelf, keeping=False), "Good morning.")
    shelf.settle()
    assert shelf.measure()[0] == 0


async def test_only_sessions_use_the_shelf(shelf, counted):
    cast = Cast(shelf=shelf)
    assert isinstance(cast.speaker, ShelvedVoices)
    await _say(cast.router, "Good morning.")
    shelf.settle()
    assert shelf.measure()[0] == 0, "whoever measures or loads a voice lets it speak"
    assert Cast().speaker.__class__ is VoiceRouter
