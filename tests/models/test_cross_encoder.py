"""A cross-encoder whose scores can be told by hand: shared meanings, less an eighth for each token."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tests.models.made_cross_encoder import write_cross_encoder
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from visavis.core.errors import (
    AssetError,
    ChecksumMismatch,
    ConfigError,
    MissingWeights,
    StageError,
    UnknownAsset,
)
from visavis.models.cross_encoder.predictor import CrossEncoder

MEANINGS = [
    "lost mislaid 丢 失",
    "card 证",
    "id 身",
    "份",
    "renew extend",
    "my",
    "how",
    "?",
    "pool",
]
QUESTION = "I lost my id card"
TEXTS = ["mislaid card", "how renew card?", "", "pool", "身份证 丢失", "lost my id card"]
# Tokens: [CLS] [UNK] lost my id card [SEP] … [SEP], eight and those of the text.
WANTED = [
    2 - 10 / 8,  # lost, card
    1 - 12 / 8,  # card
    0 - 8 / 8,
    0 - 9 / 8,
    3 - 13 / 8,  # id, card, lost: two characters of one meaning count once
    4 - 12 / 8,
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_cross_encoder(tmp_path / "made", MEANINGS)


def test_the_scores_are_those_that_were_told_by_hand(folder: Path) -> None:
    scores = CrossEncoder(folder).score(QUESTION, TEXTS)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, WANTED, atol=1e-6)


def test_which_of_the_two_is_the_question_is_told(folder: Path) -> None:
    encoder = CrossEncoder(folder)
    # If all tokens were of one text, nothing would be shared.
    assert encoder.score("card", ["card"])[0] == pytest.approx(1 - 5 / 8)
    assert encoder.score("card card", [""])[0] == pytest.approx(0 - 5 / 8)


def test_a_text_has_the_same_score_in_any_company(folder: Path) -> None:
    encoder = CrossEncoder(folder)
    many = [TEXTS[n % len(TEXTS)] + " pool" * (n % 7) for n in range(50)]
    alone = np.concatenate([encoder.score(QUESTION, [text]) for text in many])
    assert len({round(float(score), 3) for score in alone}) > 10
    np.testing.assert_allclose(encoder.score(QUESTION, many), alone, atol=1e-6)
    np.testing.assert_allclose(encoder.score(QUESTION, many[::-1]), alone[::-1], atol=1e-6)


@pytest.mark.parametrize("shape", ["flat", "classes"])
def test_other_shapes_of_a_score(tmp_path: Path, shape: str) -> None:
    folder = write_cross_encoder(tmp_path / "other", MEANINGS, shape=shape)  # type: ignore[arg-type]
    np.testing.assert_allclose(CrossEncoder(folder).score(QUESTION, TEXTS), WANTED, atol=1e-6)


def test_a_network_without_a_mask_is_never_filled_up(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "other", MEANINGS, mask=False)
    np.testing.assert_allclose(CrossEncoder(folder).score(QUESTION, TEXTS), WANTED, atol=1e-6)


def test_one_pair_of_one_length_at_a_time(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "other", MEANINGS, batch=1, tokens=12)
    wanted = [*WANTED[:4], 2 - 12 / 8, WANTED[5]]  # of two that are equally long, card is cut off
    np.testing.assert_allclose(CrossEncoder(folder).score(QUESTION, TEXTS), wanted, atol=1e-6)


def test_the_longer_text_is_cut_to_the_networks_length(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 10}))
    # Seven tokens are left for both; of two long texts each keeps half.
    (score,) = CrossEncoder(folder).score("card", ["pool " * 50 + "card"])
    assert score == pytest.approx(0 - 10 / 8)
    (score,) = CrossEncoder(folder).score("card", ["card " + "pool " * 50])
    assert score == pytest.approx(1 - 10 / 8)
    (score,) = CrossEncoder(folder, max_tokens=8).score("card " + "my " * 50, ["card"])
    assert score == pytest.approx(1 - 8 / 8)


def test_ten_megabytes_do_not_hang_it(folder: Path) -> None:
    encoder = CrossEncoder(folder)
    encoder.score("load", ["load"])
    began = time.perf_counter()
    scores = encoder.score("card " * 2_000_000, ["card " * 2_000_000, "\ud83d card"])
    assert time.perf_counter() - began < 1
    assert scores[0] == pytest.approx(1 - 512 / 8)
    assert np.isfinite(scores).all()


def test_no_texts_no_scores(folder: Path) -> None:
    assert CrossEncoder(folder).score(QUESTION, []).shape == (0,)


def test_a_tokenizer_file_joins_the_texts_as_it_says(folder: Path) -> None:
    words = (folder / "vocab.txt").read_text("utf-8").split()
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(4)
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(ConfigError, match=r"tokenizer\.json puts nothing between two texts"):
        CrossEncoder(folder).score("card", ["card"])
    # As XLM-RoBERTa's: two ends between the texts, and all tokens of one kind but the second text's.
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (score,) = CrossEncoder(folder).score("my card", ["card my pool"])
    assert score == pytest.approx(2 - 9 / 8)


def test_threads_that_load_it_together_get_the_same(folder: Path) -> None:
    encoder = CrossEncoder(folder)
    results: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        results[number] = encoder.score(QUESTION, TEXTS)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        np.testing.assert_allclose(results[number], WANTED, atol=1e-6)


def test_the_fingerprint_changes_with_whatever_changes_the_scores(folder: Path) -> None:
    plain = CrossEncoder(folder).fingerprint
    assert CrossEncoder(str(folder), threads=1).fingerprint == plain
    seen = {plain, CrossEncoder(folder, max_tokens=64).fingerprint}
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    seen.add(CrossEncoder(folder).fingerprint)
    write_cross_encoder(folder, MEANINGS, weight=2)
    seen.add(CrossEncoder(folder).fingerprint)
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("shape", "given"), [("many", r"logits \[1, 3\]"), ("tokens", r"logits \[1, 5, 9\]")]
)
def test_a_network_that_gives_no_score(tmp_path: Path, shape: str, given: str) -> None:
    folder = write_cross_encoder(tmp_path / "other", MEANINGS, shape=shape)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"no score of a pair.*{given}.*text-classification"):
        CrossEncoder(folder).score(QUESTION, TEXTS)


def test_scores_that_are_not_numbers(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "other", MEANINGS, shape="broken")
    with pytest.raises(StageError, match=r"not numbers.*32 bits"):
        CrossEncoder(folder).score(QUESTION, TEXTS)


def test_folders_that_are_no_cross_encoder_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnknownAsset, match="no model and no folder 'nowhere'"):
        CrossEncoder("nowhere")
    with pytest.raises(MissingWeights, match=r"no model\.onnx.*--task text-classification"):
        CrossEncoder(tmp_path)
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(MissingWeights, match=r"no ONNX network.*--task text-classification"):
        CrossEncoder(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no network")
    with pytest.raises(MissingWeights, match=r"neither tokenizer\.json nor vocab\.txt"):
        CrossEncoder(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.onnx", b"no network", r"model\.onnx.*--task text-classification"),
        ("model.onnx", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("vocab.txt", b"[PAD]\n", "no word list of BERT"),
        ("tokenizer.json", b"{}", r"tokenizer\.json is no tokenizer"),
        ("config.json", b'{"vocab_size": 5}', "different models"),
    ],
)
def test_broken_files_are_asset_errors(
    folder: Path, name: str, content: bytes, message: str
) -> None:
    (folder / name).write_bytes(content)
    encoder = CrossEncoder(folder)
    with pytest.raises(ChecksumMismatch, match=message) as caught:
        encoder.score(QUESTION, TEXTS)
    assert isinstance(caught.value, AssetError)


def test_settings_out_of_range(folder: Path) -> None:
    with pytest.raises(ConfigError, match="max_tokens is 7; 8 is the least"):
        CrossEncoder(folder, max_tokens=7)
