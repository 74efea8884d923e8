import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import ConfigError
from visavis.core.types import Floats
from visavis.knowledge.base import Pair, load_samples
from visavis.knowledge.live import LiveKnowledge, default_place, encode_stored, open_store
from visavis.models.sentence_encoder.predictor import SentenceEncoder

ONE = Pair("pool", "游泳馆几点开门？", "早上六点。", "zh")
TWO = Pair("rink", "溜冰场几点开门？", "早上十点。", "zh")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def wait_for(live: LiveKnowledge, names: set[str]) -> None:
    for _ in range(200):
        if {pair.id for base in live.bases for pair in base.pairs} == names:
            return
        time.sleep(0.1)
    raise AssertionError(f"{names} were not followed")


def test_without_a_store_the_samples_serve(encoder: SentenceEncoder) -> None:
    live = LiveKnowledge(encoder=encoder, second={})
    assert {base.name for base in live.bases} == {"government_zh", "government_en"}
    assert live.store is None
    assert not default_place().exists()


def test_changes_of_the_store_are_followed(encoder: SentenceEncoder) -> None:
    with open_store() as store:
        store.create("town")
        store.change("town", put=[ONE])
        live = LiveKnowledge(encoder=encoder, second={})
        before = live.prepare()
        assert before.search("游泳馆几点开门", "zh")[0].pair == ONE
        store.change("town", put=[TWO])
        wait_for(live, {"pool", "rink"})
        assert live.prepare() is not before
        assert live.prepare().search("溜冰场几点开门", "zh")[0].pair == TWO
        store.undo("town")
        wait_for(live, {"pool"})


def test_only_the_bases_that_are_named(encoder: SentenceEncoder) -> None:
    with open_store() as store:
        for name, pair in (("town", ONE), ("sport", TWO)):
            store.create(name)
            store.change(name, put=[pair])
    live = LiveKnowledge(only=["sport"], encoder=encoder, second={})
    assert [base.name for base in live.bases] == ["sport"]
    assert live.prepare().search("游泳馆几点开门", "zh")[0].pair == TWO
    with pytest.raises(ConfigError, match="no base 'moon'; there are sport, town"):
        LiveKnowledge(only=["moon"])


def test_an_empty_store_leaves_the_samples(encoder: SentenceEncoder) -> None:
    with open_store() as store:
        store.create("empty")
    live = LiveKnowledge(encoder=encoder, second={})
    assert {base.name for base in live.bases} == {"government_zh", "government_en"}


class Counting:
    """An encoder that counts the texts that it is asked for."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._encoder, self.texts = encoder, 0
        self.fingerprint = encoder.fingerprint

    def encode(self, texts: Sequence[str]) -> Floats:
        self.texts += len(texts)
        return self._encoder.encode(texts)


def test_the_samples_are_encoded_once_for_all_stores(encoder: SentenceEncoder, home: Path) -> None:
    for name in ("first.db", "second.db"):
        place = str(home / name)
        with open_store(place) as store:
            counting = Counting(encoder)
            index = LiveKnowledge(place=place, encoder=counting, second={}).prepare()
            assert index.search("身份证丢了怎么补办？", "zh")[0].confidence > 0.5
            texts = [pair.question for base in load_samples() for pair in base.pairs]
            assert not store.vector_rows(encoder.fingerprint, texts)[1].any()
    assert counting.texts < 10


def test_a_store_that_appears_later_is_taken(
    encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = LiveKnowledge(encoder=encoder, second={})
    with open_store() as store:
        store.create("town")
        store.change("town", put=[ONE])
    wait_for(live, {"pool"})


def test_a_store_that_is_no_database_is_told(home: Path) -> None:
    broken = home / "broken.db"
    broken.write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError, match=r"broken\.db"):
        LiveKnowledge(place=str(broken))


def test_a_small_base_does_not_answer_what_merely_comes_nearest(encoder: SentenceEncoder) -> None:
    with open_store() as store:
        store.create("town")
        store.change("town", put=[ONE, TWO])
    index = LiveKnowledge(encoder=encoder).prepare()
    for asked in ("图书馆几点关门", "电影院几点开门", "食堂在哪里", "停车场几点关"):
        best = index.search(asked, "zh")[0]
        assert best.confidence < index.fusion["zh"].threshold, asked
        assert best.pair in (ONE, TWO)
    for asked in ("游泳馆几点开门", "游泳馆早上几点开门呀", "几点可以去游泳馆"):
        found = index.search(asked, "zh")[0]
        assert found.pair == ONE
        assert found.confidence >= index.fusion["zh"].hint


def test_what_has_a_vector_is_not_encoded_again(encoder: SentenceEncoder) -> None:
    class Asked(SentenceEncoder):
        def encode(self, texts: Sequence[str]) -> Floats:
            asked.append(list(texts))
            return encoder.encode(texts)

    asked: list[list[str]] = []
    with open_store() as store:
        encode = encode_stored(store)
        first = encode(Asked(), ["一", "二", "一"])
        second = encode(Asked(), ["三", "一", "三", "二"])
        third = encode(Asked(), ["二", "三"])
    assert asked == [["一", "二"], ["三"]]
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(second[0], second[2])
    # What was kept was rounded to halves.
    np.testing.assert_allclose(second[[1, 3]], first[:2], atol=3e-4)
    np.testing.assert_allclose(third, second[[3, 0]], atol=3e-4)
    np.testing.assert_allclose(np.linalg.norm(third, axis=1), 1, atol=1e-6)


def test_encoders_that_nothing_is_searched_with_stay_unloaded(encoder: SentenceEncoder) -> None:
    class Second(SentenceEncoder):
        calls = 0

        def encode(self, texts: Sequence[str]) -> Floats:
            self.calls += 1
            return encoder.encode(texts)

    chinese, english = Second(), Second()
    with open_store() as store:
        store.create("town")
        store.change("town", put=[ONE, TWO])
    LiveKnowledge(encoder=encoder, second={"zh": chinese, "en": english}).prepare()
    assert chinese.calls > 0
    assert english.calls == 0
