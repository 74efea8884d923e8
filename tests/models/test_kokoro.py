from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from itertools import pairwise

import numpy as np
import onnxruntime
import pytest

from visavis.core.errors import MissingWeights, TextUnusable, UnknownVoice
from visavis.models.assets import locate
from visavis.models.common.graph_outputs import add_graph_output
from visavis.models.common.phoneme_pieces import split_at_pauses
from visavis.models.kokoro.blends import BLENDS
from visavis.models.kokoro.graphs import DURATIONS
from visavis.models.kokoro.normalization import describe, statistics_of
from visavis.models.kokoro.predictor import (
    MAX_TOKENS,
    SAMPLES_PER_UNIT,
    Kokoro,
    gender_of,
    language_of,
)
from visavis.models.kokoro.vocabulary import PAD, VOCABULARY

HELLO = "həlˈO ðˈɛɹ, wˈɜɹld."
NI_HAO = "ni↓xau↓, ʂɨ↘ʨje↘."


@pytest.fixture(scope="module")
def kokoro() -> Kokoro:
    return Kokoro(threads=2)


def test_pieces_join_to_the_whole_and_end_at_pauses():
    text = "a b c. " * 40 + "x" * 130 + "y"
    pieces = split_at_pauses(text, 50)
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 50
    assert pieces[0].endswith(". ")


@pytest.mark.parametrize("text", ["", "a", "ab" * 25])
def test_short_strings_stay_whole(text):
    assert split_at_pauses(text, 50) == ([text] if text else [])


def test_alphabet_is_one_character_to_one_token():
    assert all(len(symbol) == 1 for symbol in VOCABULARY)
    assert len(set(VOCABULARY.values())) == len(VOCABULARY) == 114


def test_names_tell_language_and_gender():
    assert (language_of("zf_xiaobei"), gender_of("zf_xiaobei")) == ("zh", "female")
    assert (language_of("bm_george"), gender_of("bm_george")) == ("en", "male")
    assert language_of("jf_alpha") is None


def test_a_folder_without_voices_is_missing_weights(tmp_path):
    with pytest.raises(MissingWeights, match="no voices"):
        Kokoro(tmp_path / "x.onnx", tmp_path)


@pytest.mark.assets
def test_graph_output_is_added_without_touching_the_rest():
    import onnxruntime

    model = locate("kokoro-int8").read_bytes()
    longer = add_graph_output(model, DURATIONS)
    assert longer.startswith(model)
    assert len(longer) - len(model) < 100
    session = onnxruntime.InferenceSession(longer, providers=["CPUExecutionProvider"])
    assert [o.name for o in session.get_outputs()] == ["audio", DURATIONS]
    assert [i.name for i in session.get_inputs()] == ["tokens", "style", "speed"]


@pytest.mark.assets
@pytest.mark.parametrize(
    ("phonemes", "voice"), [(HELLO, "af_heart"), (NI_HAO, "zm_yunxi"), (HELLO + NI_HAO, "bf_emma")]
)
def test_durations_add_up_to_the_samples(kokoro, phonemes, voice):
    sound, durations = kokoro.speak(phonemes, voice)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() > 0.05
    assert len(durations) == len(phonemes) + 2
    assert (durations >= 1).all()
    assert durations.sum() * SAMPLES_PER_UNIT == len(sound)


@pytest.mark.assets
def test_the_silence_is_where_the_durations_say(kokoro):
    sound, durations = kokoro.speak(HELLO, "af_heart")
    first, last = durations[0] * SAMPLES_PER_UNIT, durations[-1] * SAMPLES_PER_UNIT
    spoken = np.sqrt(np.mean(sound[first:-last] ** 2))
    assert np.sqrt(np.mean(sound[: first - 1200] ** 2)) < 0.05 * spoken


@pytest.mark.assets
def test_unknown_characters_take_no_time(kokoro):
    sound, durations = kokoro.speak(HELLO, "af_heart")
    other, spread = kokoro.speak("好" + HELLO + "好", "af_heart")
    assert np.array_equal(sound, other)
    assert spread[1] == spread[-2] == 0
    assert np.array_equal(spread[2:-2], durations[1:-1])


@pytest.mark.assets
def test_slower_is_longer(kokoro):
    slow, _ = kokoro.speak(HELLO, "af_heart", speed=0.7)
    fast, _ = kokoro.speak(HELLO, "af_heart", speed=1.4)
    assert len(slow) > 1.5 * len(fast)


@pytest.mark.assets
@pytest.mark.slow
def test_more_than_the_network_takes_is_spoken_in_pieces(kokoro):
    phonemes = (HELLO + " ") * (MAX_TOKENS // len(HELLO) + 2)
    sound, durations = kokoro.speak(phonemes, "af_heart", speed=2.0)
    assert len(phonemes) > MAX_TOKENS
    assert len(durations) == len(phonemes) + 2
    assert durations.sum() * SAMPLES_PER_UNIT == len(sound)


@pytest.mark.assets
def test_threads_share_one_network(kokoro):
    alone = kokoro.speak(NI_HAO, "zf_xiaoxiao")[0]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(kokoro.speak, t, "zf_xiaoxiao") for t in (NI_HAO, HELLO) * 2]
        sounds = [job.result()[0] for job in jobs]
    assert np.array_equal(sounds[0], alone)
    assert np.array_equal(sounds[2], alone)
    assert np.array_equal(sounds[1], sounds[3])


@pytest.mark.assets
def test_a_blend_is_the_mean_of_its_voices(kokoro, tmp_path):
    assert kokoro.blends == list(BLENDS)
    assert not set(BLENDS) & set(kokoro.voices)
    folder = locate("kokoro-voices")
    for name, parts in BLENDS.items():
        tables = [np.fromfile(folder / f"{part}.bin", np.float32) for part in parts]
        np.mean(tables, axis=0, dtype=np.float32).tofile(tmp_path / "as_file.bin")
        written = Kokoro(voices=tmp_path, threads=2)
        assert written.blends == []
        expected = written.speak(NI_HAO, "as_file")[0]
        sound, durations = kokoro.speak(NI_HAO, name)
        assert np.array_equal(sound, expected)
        assert durations.sum() * SAMPLES_PER_UNIT == len(sound)
        assert {(language_of(part), gender_of(part)) for part in parts} == {
            (language_of(name), gender_of(name))
        }
        with pytest.raises(UnknownVoice, match=parts[0]):
            written.speak(NI_HAO, name)


@pytest.mark.assets
def test_bad_input_is_named(kokoro):
    with pytest.raises(UnknownVoice, match="no voice 'bob'"):
        kokoro.speak(HELLO, "bob")
    with pytest.raises(TextUnusable):
        kokoro.speak("好", "zf_xiaobei")
    with pytest.raises(ValueError, match="speed"):
        kokoro.speak(HELLO, "af_heart", speed=3)


def signal_to_noise(expected, actual):
    """Decibels."""
    return 10 * np.log10(np.sum(expected**2) / np.sum((expected - actual) ** 2))


@pytest.mark.assets
def test_planner_and_vocoder_are_the_published_network(kokoro):
    """With its own normalization; what remains is rounding to 8 bits, which the network spreads."""
    phonemes, voice = HELLO + NI_HAO, "af_heart"
    model = add_graph_output(locate("kokoro-int8").read_bytes(), DURATIONS)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    tokens = [PAD, *(VOCABULARY[c] for c in phonemes), PAD]
    table = np.fromfile(locate("kokoro-voices") / f"{voice}.bin", np.float32).reshape(-1, 256)
    expected, units = session.run(
        ["audio", DURATIONS],
        {
            "tokens": np.array([tokens], np.int64),
            "style": table[len(phonemes)][None],
            "speed": np.ones(1, np.float32),
        },
    )
    plan = kokoro.plan(phonemes, voice)
    assert np.array_equal(plan.durations, np.rint(units.reshape(-1)))
    ours, means, variances = kokoro.measure(phonemes, voice)
    assert signal_to_noise(expected.reshape(-1), ours) > 12
    told, deviations = statistics_of(
        voice, kokoro.style_of(voice), describe(phonemes, plan.durations)
    )
    assert np.sqrt(np.mean(((means - told) / deviations) ** 2)) < 0.1
    assert np.sqrt(np.mean(np.log(np.sqrt(variances) / deviations) ** 2)) < 0.1
    assert signal_to_noise(expected.reshape(-1), kokoro.speak(phonemes, voice)[0]) > 6


@pytest.mark.assets
@pytest.mark.parametrize(
    ("voice", "phonemes"),
    [
        *(
            (voice, phonemes)
            for voice in ("zf_xiaohe", "zm_yunjian", "af_heart", "am_michael")
            for phonemes in ("həlˈO.", HELLO, NI_HAO)
        ),
        ("zf_xiaohe", NI_HAO * 3),
        ("am_michael", NI_HAO * 3),
        ("zm_yunjian", HELLO * 6),
        ("af_heart", HELLO * 6),
    ],
)
def test_strings_of_every_length_are_as_loud_as_published(kokoro, voice, phonemes):
    published, ours = kokoro.measure(phonemes, voice)[0], kokoro.speak(phonemes, voice)[0]
    loud = [np.quantile(np.abs(sound), 0.95) for sound in (published, ours)]
    assert 0.7 < loud[1] / loud[0] < 1.42  # 3 dB; the stage brings all to one level


@pytest.mark.assets
def test_what_is_too_short_to_tell_is_normalized_as_published(kokoro):
    assert np.array_equal(
        kokoro.speak("jˈɛs.", "af_heart")[0], kokoro.measure("jˈɛs.", "af_heart")[0]
    )


@pytest.mark.assets
def test_windows_join_to_the_sound_of_one_piece(kokoro):
    phonemes, voice = HELLO * 2 + NI_HAO, "zf_xiaohe"
    whole, durations = kokoro.speak(phonemes, voice)
    utterance = kokoro.begin(phonemes, voice)
    assert np.array_equal(utterance.durations, durations)
    edges = [0, 1, 5_000, 24_111, 24_411, 60_000, len(whole)]
    pieces = [utterance.sound(a, b) for a, b in pairwise(edges)]
    assert [len(piece) for piece in pieces] == [b - a for a, b in pairwise(edges)]
    joined = np.concatenate(pieces)
    assert signal_to_noise(whole, joined) > 10
    # No step at a join that the sound does not have by itself.
    steps = np.abs(np.diff(joined))
    assert max(steps[edge - 1] for edge in edges[2:-1]) < 3 * np.quantile(steps, 0.99)
    again = kokoro.begin(phonemes, voice)
    assert all(
        np.array_equal(again.sound(a, b), piece)
        for (a, b), piece in zip(pairwise(edges), pieces, strict=True)
    )
    assert len(utterance.sound(700, 700)) == 0


@pytest.mark.assets
def test_what_is_begun_and_not_asked_for_costs_a_plan_only(kokoro):
    runs = []
    utterance = kokoro.begin(HELLO * 4, "af_heart")
    vocoder = utterance._vocoder

    class Counting:
        def run(self, *arguments, **more):
            runs.append(arguments)
            return vocoder.run(*arguments, **more)

    utterance._vocoder = Counting()
    utterance.sound(0, 24_000)
    assert len(runs) == 1
    utterance.sound(0, 24_000 * 4)
    assert len(runs) == 3


@pytest.mark.assets
def test_a_voice_that_was_never_measured_gets_the_statistics_of_the_nearest(kokoro):
    style, described = kokoro.style_of("zm_yunxi"), np.float32([1, 0.3, 0.2])
    for ours, theirs in zip(
        statistics_of("mine", style + np.float32(1e-3), described),
        statistics_of("zm_yunxi", style, described),
        strict=True,
    ):
        assert np.array_equal(ours, theirs)


@pytest.mark.assets
def test_every_voice_was_measured(kokoro):
    with np.load(files("visavis.models.kokoro") / "normalization.npz") as archive:
        names = {name for name in archive.files if not name.endswith(" style")}
    assert names == {n for n in (*kokoro.voices, *kokoro.blends) if language_of(n)}
