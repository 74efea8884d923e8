"""From what a network gives for each token to one vector for the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np

from visavis.core.errors import ConfigError
from visavis.core.types import Floats
from visavis.models.runtime import Array

Pooling: TypeAlias = Literal["mean", "cls", "network"]

_OF_TOKENS = ("last_hidden_state", "token_embeddings")
_OF_TEXT = ("sentence_embedding", "pooler_output")
_NOT_VECTORS = ("logits",)


def choose_output(outputs: Mapping[str, Array], pooling: Pooling) -> str:
    """Choose the output that vectors are made of.

    Args:
        outputs: What the network gave for a batch, by name: (b, tokens, d) of tokens, (b, d) of texts.
        pooling: ``network`` wants a vector of the text; the others want the tokens' and take the
            text's where there is no other.

    Raises:
        ConfigError: There is none.
    """
    usable = {name: array for name, array in outputs.items() if name not in _NOT_VECTORS}
    of_tokens = _first({n for n, a in usable.items() if a.ndim == 3}, outputs, _OF_TOKENS)
    of_text = _first({n for n, a in usable.items() if a.ndim == 2}, outputs, _OF_TEXT)
    chosen = of_text if pooling == "network" else of_tokens or of_text
    if chosen is None:
        given = ", ".join(f"{name} {list(array.shape)}" for name, array in outputs.items())
        wanted = "of a text" if pooling == "network" else "of tokens or of a text"
        raise ConfigError(
            f"the network gives no vectors {wanted}, only {given}; export it with"
            " --task feature-extraction, or set another pooling"
        )
    return chosen


def pool(output: Array, mask: Array, pooling: Pooling) -> Floats:
    """Make one vector of each text.

    Args:
        output: (b, tokens, d), or (b, d) that is pooled already.
        mask: bool (b, tokens), true where a token is the text's own.
        pooling: ``mean`` over the text's tokens, special ones included; ``cls`` is the first one.

    Returns:
        float32 (b, d).
    """
    if output.ndim == 2:
        return output.astype(np.float32)
    if pooling == "cls":
        return output[:, 0].astype(np.float32)
    # Not multiplied: what a network computes for a token that fills up may be NaN.
    kept = np.where(mask[:, :, None], output.astype(np.float32), np.float32(0))
    mean: Floats = kept.sum(axis=1) / mask.sum(axis=1, dtype=np.float32)[:, None]
    return mean


def _first(names: set[str], order: Mapping[str, Array], wanted: tuple[str, ...]) -> str | None:
    """Take a name that is wanted, else the network's first."""
    return next((name for name in (*wanted, *order) if name in names), None)
