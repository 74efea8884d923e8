from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from visavis.core.errors import ConfigError
from visavis.training.overrides import override


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    masks: tuple[int, int] = (1, 2)


@dataclass(frozen=True)
class Outer:
    steps: int = 3
    inner: Inner = field(default_factory=Inner)
    maybe: Inner | None = field(default_factory=Inner)
    kind: Literal["a", "b"] = "a"
    is_on: bool = False
    name: str = "x"


def test_values_of_all_kinds() -> None:
    changes = ["steps=5", "inner.rate=1", "inner.masks=(3,4)", "kind=b", "is_on=True", "name=y z"]
    changed = override(Outer(), changes)
    assert changed == Outer(5, Inner(1.0, (3, 4)), Inner(), "b", True, "y z")
    assert isinstance(changed.inner.rate, float)
    assert override(Outer(), ["maybe=None"]).maybe is None
    assert override(Outer(), []) == Outer()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("steps", "sets nothing"),
        ("step=1", "no setting 'step'; here there are: inner, is_on"),
        ("inner.foo=1", "no setting 'inner.foo'"),
        ("steps.foo=1", "no setting 'steps.foo'"),
        ("steps=1.5", "steps is int"),
        ("steps=True", "steps is int"),
        ("kind=c", "one of a, b"),
        ("inner.masks=(1,)", "is not"),
        ("is_on=1", "is_on is bool"),
    ],
)
def test_what_does_not_fit_is_refused(change: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        override(Outer(), [change])
