"""A small BERT of random weights, computed a second time in numpy, text by text and unfilled."""

from __future__ import annotations

import json
import math
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from visavis.core.errors import ConfigError, StageError
from visavis.models.text_encoder.predictor import TextEncoder

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "身",
    "份",
    "证",
    "丢",
    "了",
    "怎",
    "么",
    "办",
    "lost",
    "id",
    "card",
    "my",
    "un",
    "##able",
    "to",
    "renew",
    "it",
    "how",
    "do",
    "i",
    ",",
    "?",
    "，",
    "。",
    "query",
    ":",
]
WIDTH, HEADS, POSITIONS = 8, 2, 16
TEXTS = [
    "身份证丢了怎么办",
    "my id card",
    "",
    "how do I renew it?",
    "办",
    "lost 身份证, unable to renew it",
]


def make_weights(seed: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {
        "words": (len(WORDS), WIDTH),
        "positions": (POSITIONS, WIDTH),
        "kinds": (2, WIDTH),
        "query": (WIDTH, WIDTH),
        "key": (WIDTH, WIDTH),
        "value": (WIDTH, WIDTH),
        "out": (WIDTH, WIDTH),
        "up": (WIDTH, 16),
        "down": (16, WIDTH),
    }
    return {name: rng.normal(0, 0.7, shape).astype(np.float32) for name, shape in shapes.items()}


def write_bert(
    path: Path, *, dtype: int = TensorProto.INT64, outputs: tuple[str, ...] = ("last_hidden_state",),
    tokens: str = "input_ids", mask: str = "attention_mask", kinds: str = "token_type_ids",
    shape: tuple[str | int, str | int] = ("batch", "sequence"),
) -> dict[str, np.ndarray]:  # fmt: skip
    """One layer of BERT: embeddings, attention over what the mask lets through, GELU."""
    weights = make_weights()
    nodes: list[onnx.NodeProto] = []
    constants = {
        **weights,
        "one": np.float32(1),
        "half": np.float32(0.5),
        "root": np.float32(math.sqrt(2)),
        "scale": np.float32(1 / math.sqrt(WIDTH // HEADS)),
        "low": np.float32(-10000),
        "split": np.array([0, 0, HEADS, -1], np.int64),
        "join": np.array([0, 0, -1], np.int64),
        "around": np.array([1, 2], np.int64),
        "first": np.int64(0),
        "step": np.int64(1),
        "ones": np.ones(WIDTH, np.float32),
        "zeros": np.zeros(WIDTH, np.float32),
    }

    def add(kind: str, given: list[str], name: str, **settings: Any) -> str:
        nodes.append(helper.make_node(kind, given, [name], name=name, **settings))
        return name

    add("Cast", [tokens], "ids", to=TensorProto.INT64)
    add("Cast", [kinds], "segments", to=TensorProto.INT64)
    add("Shape", ["ids"], "shape", start=1)
    add("Squeeze", ["shape"], "length")
    add("Range", ["first", "length", "step"], "places")
    add("Gather", ["words", "ids"], "of_words")
    add("Gather", ["positions", "places"], "of_places")
    add("Gather", ["kinds", "segments"], "of_kinds")
    add("Sum", ["of_words", "of_places", "of_kinds"], "embedded")
    add("LayerNormalization", ["embedded", "ones", "zeros"], "start")
    for name in ("query", "key", "value"):
        add("MatMul", ["start", name], f"{name}_flat")
        add("Reshape", [f"{name}_flat", "split"], f"{name}_split")
        order = [0, 2, 3, 1] if name == "key" else [0, 2, 1, 3]
        add("Transpose", [f"{name}_split"], f"{name}_heads", perm=order)
    add("MatMul", ["query_heads", "key_heads"], "raw")
    add("Mul", ["raw", "scale"], "scores")
    if mask:
        add("Cast", [mask], "seen", to=TensorProto.FLOAT)
        add("Sub", ["one", "seen"], "hidden")
        add("Mul", ["hidden", "low"], "barred")
        add("Unsqueeze", ["barred", "around"], "barrier")
        add("Add", ["scores", "barrier"], "masked")
    add("Softmax", ["masked" if mask else "scores"], "looks", axis=-1)
    add("MatMul", ["looks", "value_heads"], "mixed")
    add("Transpose", ["mixed"], "mixed_back", perm=[0, 2, 1, 3])
    add("Reshape", ["mixed_back", "join"], "mixed_flat")
    add("MatMul", ["mixed_flat", "out"], "attended")
    add("Add", ["start", "attended"], "with_start")
    add("LayerNormalization", ["with_start", "ones", "zeros"], "middle")
    add("MatMul", ["middle", "up"], "wide")
    add("Div", ["wide", "root"], "wide_root")
    add("Erf", ["wide_root"], "erf")
    add("Add", ["erf", "one"], "erf_one")
    add("Mul", ["wide", "erf_one"], "gelu_double")
    add("Mul", ["gelu_double", "half"], "gelu")
    add("MatMul", ["gelu", "down"], "narrow")
    add("Add", ["middle", "narrow"], "with_middle")
    add("LayerNormalization", ["with_middle", "ones", "zeros"], "last")
    ranks = {"last_hidden_state": 3, "logits": 3, "sentence_embedding": 2, "broken": 3}
    for name in outputs:
        if name == "sentence_embedding":
            add("Gather", ["last", "step"], name, axis=1)
        elif name == "broken":
            add("Log", ["last"], name)
        else:
            add("Identity", ["last"], name)
    names = [name for name in (tokens, mask, kinds) if name]
    graph = helper.make_graph(
        nodes,
        "bert",
        [helper.make_tensor_value_info(name, dtype, shape) for name in names],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None] * ranks[n]) for n in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return weights


def compute(weights: dict[str, np.ndarray], numbers: list[int]) -> np.ndarray:
    """The same network in numpy for one text, in 64 bits: (tokens, WIDTH)."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}

    def norm(x: np.ndarray) -> np.ndarray:
        return np.asarray(
            (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        )

    start = norm(w["words"][numbers] + w["positions"][: len(numbers)] + w["kinds"][0])
    side = WIDTH // HEADS
    mixed = np.zeros_like(start)
    for head in range(HEADS):
        part = slice(head * side, (head + 1) * side)
        scores = (start @ w["query"])[:, part] @ (start @ w["key"])[:, part].T / math.sqrt(side)
        looks = np.exp(scores - scores.max(-1, keepdims=True))
        looks /= looks.sum(-1, keepdims=True)
        mixed[:, part] = looks @ (start @ w["value"])[:, part]
    middle = norm(start + mixed @ w["out"])
    wide = middle @ w["up"]
    gelu = wide * (1 + np.vectorize(math.erf)(wide / math.sqrt(2))) / 2
    return norm(middle + gelu @ w["down"])


def numbers_of(*words: str) -> list[int]:
    return [WORDS.index(word) for word in ("[CLS]", *words, "[SEP]")]


NUMBERS = [
    numbers_of(*"身份证丢了怎么办"),
    numbers_of("my", "id", "card"),
    numbers_of(),
    numbers_of("how", "do", "i", "renew", "it", "?"),
    numbers_of("办"),
    numbers_of("lost", "身", "份", "证", ",", "un", "##able", "to", "renew", "it"),
]
"""What TEXTS are, cut by hand."""


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    write_bert(tmp_path / "model.onnx")
    return tmp_path


def test_the_mean_of_the_tokens_is_that_of_a_second_computation(folder: Path) -> None:
    wanted = np.stack([compute(make_weights(), numbers).mean(0) for numbers in NUMBERS])
    raw = TextEncoder(folder, normalise=False).encode(TEXTS)
    np.testing.assert_allclose(raw, wanted, atol=1e-5)
    vectors = TextEncoder(folder).encode(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, unit(wanted), atol=1e-5)


def test_cls_is_the_first_token(folder: Path) -> None:
    wanted = np.stack([compute(make_weights(), numbers)[0] for numbers in NUMBERS])
    vectors = TextEncoder(folder, pooling="cls").encode(TEXTS)
    np.testing.assert_allclose(vectors, unit(wanted), atol=1e-5)


@pytest.mark.parametrize("mask", ["attention_mask", ""])
def test_a_text_has_the_same_vector_in_any_company(folder: Path, mask: str) -> None:
    write_bert(folder / "model.onnx", mask=mask)
    encoder = TextEncoder(folder)
    many = [TEXTS[index % len(TEXTS)] + "?" * (index % 5) for index in range(100)]
    alone = np.concatenate([encoder.encode([text]) for text in many])
    np.testing.assert_allclose(encoder.encode(many), alone, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(many[::-1]), alone[::-1], atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "names"),
    [
        (TensorProto.INT32, {}),
        (TensorProto.INT64, {"tokens": "input_word_ids", "mask": "input_mask", "kinds": "segment_ids"}),
        (TensorProto.INT64, {"tokens": "input_ids:0", "kinds": "token_type_ids:0"}),
        (TensorProto.FLOAT, {"tokens": "Input-Token", "mask": "", "kinds": "Input-Segment"}),
    ],
)  # fmt: skip
def test_inputs_of_other_names_and_types(folder: Path, dtype: int, names: dict[str, str]) -> None:
    wanted = TextEncoder(folder).encode(TEXTS)
    other = folder / "other"
    write_bert(other / "model.onnx", dtype=dtype, **names)  # type: ignore[arg-type]
    (folder / "vocab.txt").rename(other / "vocab.txt")
    np.testing.assert_allclose(TextEncoder(other).encode(TEXTS), wanted, atol=1e-5)


def test_one_text_of_one_length_at_a_time(folder: Path) -> None:
    texts = [*TEXTS, "身份证" * 9]
    wanted = TextEncoder(folder, max_tokens=12).encode(texts)
    write_bert(folder / "fixed.onnx", shape=(1, 12))
    vectors = TextEncoder(folder / "fixed.onnx").encode(texts)
    np.testing.assert_allclose(vectors, wanted, atol=1e-5)


def test_a_vector_that_the_network_made_itself(folder: Path) -> None:
    write_bert(folder / "model.onnx", outputs=("sentence_embedding", "last_hidden_state"))
    hidden = [compute(make_weights(), numbers) for numbers in NUMBERS]
    own = TextEncoder(folder, pooling="network").encode(TEXTS)
    np.testing.assert_allclose(own, unit(np.stack([h[1] for h in hidden])), atol=1e-5)
    mean = TextEncoder(folder).encode(TEXTS)
    np.testing.assert_allclose(mean, unit(np.stack([h.mean(0) for h in hidden])), atol=1e-5)
    write_bert(folder / "model.onnx", outputs=("sentence_embedding",))
    np.testing.assert_allclose(TextEncoder(folder).encode(TEXTS), own, atol=1e-6)


def test_what_goes_beyond_is_not_read(folder: Path) -> None:
    wanted = unit(compute(make_weights(), numbers_of(*"身份证")).mean(0))
    (vector,) = TextEncoder(folder, max_tokens=5).encode(["身份证丢了怎么办"])
    np.testing.assert_allclose(vector, wanted, atol=1e-5)


def test_the_networks_own_limit_goes_first(folder: Path) -> None:
    long = "身" * 100
    with pytest.raises(StageError, match=r"model\.onnx failed"):
        TextEncoder(folder).encode([long])
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": POSITIONS}))
    (vector,) = TextEncoder(folder).encode([long])
    wanted = compute(make_weights(), numbers_of(*"身" * (POSITIONS - 2))).mean(0)
    np.testing.assert_allclose(vector, unit(wanted), atol=1e-5)


def test_ten_megabytes_do_not_hang_it(folder: Path) -> None:
    encoder = TextEncoder(folder, max_tokens=POSITIONS)
    encoder.encode(["load"])
    began = time.perf_counter()
    (vector,) = encoder.encode(["id card " * 1_250_000])
    assert time.perf_counter() - began < 1
    wanted = compute(make_weights(), numbers_of(*["id", "card"] * 7)).mean(0)
    np.testing.assert_allclose(vector, unit(wanted), atol=1e-5)


@pytest.mark.parametrize("text", ["", " \t\u3000", "\x00\x07", "\u200b", "\ufeff"])
def test_a_text_of_nothing_is_its_two_ends(folder: Path, text: str) -> None:
    (vector,) = TextEncoder(folder).encode([text])
    wanted = compute(make_weights(), numbers_of()).mean(0)
    np.testing.assert_allclose(vector, unit(wanted), atol=1e-5)


def test_halves_of_surrogate_pairs_are_left_out(folder: Path) -> None:
    one, other = TextEncoder(folder).encode(["\ud83d身份\udc00证", "身份证"])
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_no_texts_no_rows(folder: Path) -> None:
    encoder = TextEncoder(folder)
    assert encoder.encode([]).shape == (0, WIDTH)
    assert encoder.dimension == WIDTH


def test_the_prefix_is_read_before_every_text(folder: Path) -> None:
    plain = TextEncoder(folder).encode(["query: my card", "query: 办"])
    prefixed = TextEncoder(folder, prefix="query: ").encode(["my card", "办"])
    np.testing.assert_allclose(prefixed, plain, atol=1e-6)


def test_threads_that_load_it_together_get_the_same(folder: Path) -> None:
    encoder = TextEncoder(folder)
    results: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        results[number] = encoder.encode(TEXTS)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = TextEncoder(folder).encode(TEXTS)
    for number in range(6):
        np.testing.assert_allclose(results[number], wanted, atol=1e-6)


def test_the_fingerprint_changes_with_whatever_changes_the_vectors(folder: Path) -> None:
    plain = TextEncoder(folder).fingerprint
    assert TextEncoder(str(folder), threads=1).fingerprint == plain
    seen = {
        plain,
        TextEncoder(folder, pooling="cls").fingerprint,
        TextEncoder(folder, max_tokens=64).fingerprint,
        TextEncoder(folder, normalise=False).fingerprint,
        TextEncoder(folder, prefix="query: ").fingerprint,
    }
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    seen.add(TextEncoder(folder).fingerprint)
    with (folder / "vocab.txt").open("a") as stream:
        stream.write("more\n")
    seen.add(TextEncoder(folder).fingerprint)
    write_bert(folder / "model.onnx", mask="")
    seen.add(TextEncoder(folder).fingerprint)
    assert len(seen) == 8


@pytest.mark.parametrize("pooling", ["mean", "network"])
def test_a_network_that_gives_no_vectors(folder: Path, pooling: str) -> None:
    write_bert(folder / "model.onnx", outputs=("logits",))
    with pytest.raises(ConfigError, match=r"no vectors.*logits \[1, 2, 8\].*feature-extraction"):
        TextEncoder(folder, pooling=pooling).encode(TEXTS)  # type: ignore[arg-type]


def test_several_texts_at_a_time_and_no_other_number(folder: Path) -> None:
    write_bert(folder / "model.onnx", shape=(4, "sequence"))
    with pytest.raises(ConfigError, match=r"4 texts at a time.*free first dimension"):
        TextEncoder(folder).encode(TEXTS)


def test_vectors_that_are_not_numbers(folder: Path) -> None:
    write_bert(folder / "model.onnx", outputs=("broken",))
    with pytest.raises(StageError, match=r"not numbers.*32 bits"):
        TextEncoder(folder).encode(TEXTS)
