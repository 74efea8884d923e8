"""What a network of the BERT family is fed, found by the names of its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from visavis.core.errors import ConfigError
from visavis.models.common.bert_folder import Task
from visavis.models.runtime import Array, Network, TensorSpec

_ROLES = {
    "tokens": ("input_ids", "input_word_ids", "input_token", "token_ids", "ids", "tokens"),
    "mask": ("attention_mask", "input_mask", "mask"),
    "kinds": ("token_type_ids", "input_type_ids", "segment_ids", "input_segment", "type_ids"),
    "positions": ("position_ids",),
}
_TYPES = ("int64", "int32", "float32")


class Inputs:
    """Builds the inputs of one network.

    Args:
        network: Its inputs are (batch, tokens) each, of whole numbers or of float32.
        padding: Number of the token that fills up a row.
        task: What the network is for, for messages.

    Raises:
        ConfigError: An input is unknown, or there is none for the tokens.
    """

    def __init__(self, network: Network, padding: int, task: Task) -> None:
        self._roles = [(spec, _role_of(spec, task)) for spec in network.inputs]
        found = {role for _, role in self._roles}
        names = ", ".join(spec.name for spec, _ in self._roles)
        if "tokens" not in found:
            raise ConfigError(f"the network takes no token numbers; its inputs are {names}")
        self._padding = padding
        self.has_mask = "mask" in found
        """Whether the network can be told which tokens only fill up."""
        rows, self.tokens = self._fixed_shape()
        """Tokens that every row must have; None where that is free."""
        if rows not in (None, 1):
            raise ConfigError(
                f"the network takes {rows} texts at a time, no more and no fewer; export it with a"
                " free first dimension"
            )
        self.is_single = rows == 1
        """Whether it takes one text at a time only."""

    def build(
        self, rows: Sequence[Sequence[int]], kinds: Sequence[Sequence[int]] | None = None
    ) -> tuple[dict[str, Array], Array]:
        """Fill up token numbers to one length.

        Args:
            rows: Token numbers of b texts.
            kinds: Of each token, 0 or 1: of the first text of a pair or of the second; all are of
                the first by default.

        Returns:
            What the network takes, by name; and bool (b, tokens), true where a token is a text's own.
        """
        width = self.tokens or max(map(len, rows))
        tokens = np.full((len(rows), width), self._padding, np.int64)
        mask = np.zeros((len(rows), width), bool)
        for index, row in enumerate(rows):
            tokens[index, : len(row)] = row
            mask[index, : len(row)] = True
        segments = np.zeros_like(tokens)
        for index, row in enumerate(kinds or ()):
            segments[index, : len(row)] = row
        values = {
            "tokens": tokens,
            "mask": mask,
            "kinds": segments,
            "positions": np.broadcast_to(np.arange(width), tokens.shape),
        }
        fed = {spec.name: values[role].astype(spec.dtype) for spec, role in self._roles}
        return fed, mask

    def batch(self, lengths: Sequence[int], size: int) -> Iterator[list[int]]:
        """Group rows of like length, so that little is filled up.

        A network that cannot be told what only fills up gets rows of one and the same length together.

        Args:
            lengths: Tokens of each row.
            size: Most rows of a group.

        Yields:
            Indices of the rows of a group.
        """
        size = 1 if self.is_single else size
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        groups = [order]
        if not self.has_mask:
            groups = [list(group) for _, group in groupby(order, key=lengths.__getitem__)]
        for group in groups:
            for start in range(0, len(group), size):
                yield group[start : start + size]

    def _fixed_shape(self) -> tuple[int | None, int | None]:
        shapes = [spec.shape for spec, _ in self._roles if len(spec.shape) == 2]
        rows = next((shape[0] for shape in shapes if shape[0] is not None), None)
        return rows, next((shape[1] for shape in shapes if shape[1] is not None), None)


def _role_of(spec: TensorSpec, task: Task) -> str:
    # TensorFlow's exports number their tensors, Keras writes Input-Token.
    plain = spec.name.partition(":")[0].lower().replace("-", "_")
    for role, names in _ROLES.items():
        if plain in names:
            if spec.dtype not in _TYPES:
                raise ConfigError(
                    f"the network's input {spec.name!r} is {spec.dtype}; {', '.join(_TYPES)} can be"
                    " given"
                )
            return role
    known = ", ".join(names[0] for names in _ROLES.values())
    raise ConfigError(
        f"the network's input {spec.name!r} is none that an encoder of BERT's family has ({known});"
        f" export it with --task {task}"
    )
