"""A cross-encoder made by hand: it counts the meanings that two texts share, and knows synonyms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
LENGTH = 0.125
"""What each token takes off the score, special ones included."""

Shape = Literal["logit", "flat", "classes", "many", "tokens", "broken"]


def write_cross_encoder(
    folder: Path,
    meanings: Sequence[str],
    *,
    weight: float = 1.0,
    shape: Shape = "logit",
    batch: str | int = "batch",
    tokens: str | int = "sequence",
    mask: bool = True,
) -> Path:
    """Write model.onnx and vocab.txt.

    Args:
        folder: Is made.
        meanings: Words that mean the same, with spaces between; a word is of one meaning only.
        weight: Of each shared meaning; `LENGTH` is taken off for every token.
        shape: What comes out: (b, 1), (b,), (b, 2), (b, 3), (b, tokens, d), or what is no number.
        batch: First dimension of what goes in.
        tokens: Second dimension.
        mask: Whether it is told which tokens only fill up.
    """
    words = [(word, number) for number, group in enumerate(meanings) for word in group.split()]
    table = np.zeros((len(SPECIAL) + len(words), max(len(meanings), 1)), np.float32)
    for row, (_, number) in enumerate(words, len(SPECIAL)):
        table[row, number] = 1
    constants = {
        "table": table,
        "one": np.float32(1),
        "minus": np.float32(-1),
        "weight": np.float32(weight),
        "length": np.float32(LENGTH),
        "last": np.array([2], np.int64),
        "along": np.array([1], np.int64),
        "whole": np.array([-1], np.int64),
    }
    nodes: list[onnx.NodeProto] = []

    def add(kind: str, given: list[str], name: str, **settings: Any) -> str:
        nodes.append(helper.make_node(kind, given, [name], name=name, **settings))
        return name

    add("Gather", ["table", "input_ids"], "held")
    add("Cast", ["token_type_ids"], "kinds", to=TensorProto.FLOAT)
    add("Unsqueeze", ["kinds", "last"], "second")
    add("Sub", ["one", "second"], "first")
    for side in ("first", "second"):
        add("Mul", ["held", side], f"of_{side}")
        add("ReduceMax", [f"of_{side}"], f"in_{side}", axes=[1], keepdims=0)
    add("Mul", ["in_first", "in_second"], "shared")
    add("ReduceSum", ["shared", "along"], "count", keepdims=1)
    add("Mul", ["count", "weight"], "worth")
    if mask:
        add("Cast", ["attention_mask"], "seen", to=TensorProto.FLOAT)
    else:
        add("Mul", ["kinds", "minus"], "nothing")
        add("Add", ["nothing", "kinds"], "zeros")
        add("Add", ["zeros", "one"], "seen")
    add("ReduceSum", ["seen", "along"], "tokens", keepdims=1)
    add("Mul", ["tokens", "length"], "long")
    add("Sub", ["worth", "long"], "score")
    add("Add", ["score", "one"], "more")
    rank = {"flat": 1, "tokens": 3}.get(shape, 2)
    if shape == "classes":  # the second class less the first is the score
        add("Concat", ["one_class", "more"], "logits", axis=1)
        nodes.insert(
            -1, helper.make_node("Sub", ["more", "score"], ["one_class"], name="one_class")
        )
    elif shape == "many":
        add("Concat", ["score", "more", "score"], "logits", axis=1)
    elif shape == "tokens":
        add("Identity", ["held"], "logits")
    elif shape == "broken":
        add("Sub", ["score", "score"], "zero")
        add("Log", ["zero"], "logits")
    elif shape == "flat":
        add("Reshape", ["score", "whole"], "logits")
    else:
        add("Identity", ["score"], "logits")
    names = ["input_ids", *(["attention_mask"] if mask else []), "token_type_ids"]
    graph = helper.make_graph(
        nodes,
        "overlap",
        [helper.make_tensor_value_info(n, TensorProto.INT64, [batch, tokens]) for n in names],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None] * rank)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    (folder / "vocab.txt").write_text(
        "\n".join((*SPECIAL, *(word for word, _ in words))) + "\n", "utf-8"
    )
    return folder
