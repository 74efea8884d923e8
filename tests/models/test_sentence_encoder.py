import threading
import time

import numpy as np
import pytest

from visavis.models.sentence_encoder.predictor import DIMENSION, SentenceEncoder


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


def test_vectors_are_float32_rows_of_length_one(encoder: SentenceEncoder) -> None:
    vectors = encoder.encode(["身份证丢了怎么补办", "How do I replace a lost ID card?", "a"])
    assert vectors.shape == (3, DIMENSION)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_no_rows(encoder: SentenceEncoder) -> None:
    assert encoder.encode([]).shape == (0, DIMENSION)


def test_paraphrases_are_nearer_than_other_questions_and_translations_too(
    encoder: SentenceEncoder,
) -> None:
    asked, reworded, translated, other = encoder.encode(
        [
            "身份证丢了怎么补办?",
            "我的身份证不见了,去哪里重新办一张?",
            "How do I replace a lost ID card?",
            "公积金贷款最多能贷多少?",
        ]
    )
    assert asked @ reworded > asked @ other + 0.2
    assert asked @ translated > asked @ other + 0.1


def test_a_sentence_does_not_depend_on_its_neighbours(encoder: SentenceEncoder) -> None:
    texts = [f"question number {n} about passports" for n in range(100)]
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts[:5]])
    np.testing.assert_allclose(together[:5], alone, atol=1e-4)


@pytest.mark.parametrize(
    "text", ["", " ", "😀", "\x00\x07", "。。。", "\ud83d half a surrogate", "مرحبا", "\u200b"]
)
def test_odd_texts_get_finite_vectors(encoder: SentenceEncoder, text: str) -> None:
    (vector,) = encoder.encode([text])
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)


def test_ten_megabytes_do_not_hang_it(encoder: SentenceEncoder) -> None:
    encoder.encode(["load"])
    began = time.perf_counter()
    (vector,) = encoder.encode(["passport " * 1_200_000])
    assert time.perf_counter() - began < 5
    assert np.isfinite(vector).all()


def test_threads_get_the_same_vectors_and_leave_the_blas_threads_alone() -> None:
    import threadpoolctl

    encoder = SentenceEncoder()
    texts = [f"在哪里办理第{n}号业务" for n in range(8)]
    results: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        results[number] = encoder.encode(texts)

    before = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
    assert after == before
    for number in range(1, 6):
        np.testing.assert_array_equal(results[number], results[0])


def test_it_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the encoder opened a connection")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert SentenceEncoder().encode(["offline"]).shape == (1, DIMENSION)
