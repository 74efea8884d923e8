"""What a check found, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from visavis.core.errors import (
    FaceUnusable,
    InputError,
    NoFaceFound,
    PictureUnusable,
    SeveralFacesFound,
)

Verdict: TypeAlias = Literal["ok", "warn", "fail"]
CheckName: TypeAlias = Literal[
    "picture", "faces", "length", "cuts", "size", "frontal", "inside", "sharp", "mouth seen",
    "eyes seen", "mouth shut", "eyes open", "light", "movement",
]  # fmt: skip
_RANK: dict[Verdict, int] = {"ok": 0, "warn": 1, "fail": 2}
_ERRORS: dict[str, type[InputError]] = {
    "picture": PictureUnusable,
    "length": PictureUnusable,
    "faces": NoFaceFound,
}


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One thing that was looked at.

    Attributes:
        name: What.
        verdict: ``ok``; ``warn``: usable, not at its best; ``fail``: not usable.
        found: What there is, with figures.
        advice: What to do; empty when all is well.
        several: For ``faces``: whether there are too many rather than none.
    """

    name: CheckName
    verdict: Verdict
    found: str
    advice: str = ""
    several: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All that was looked at in a picture or video.

    Attributes:
        source: Path, or what the picture was called.
        kind: What it is.
        items: In the order of looking; after a failed ``faces`` nothing more can be looked at.
    """

    source: str
    kind: Literal["picture", "video"]
    items: tuple[CheckItem, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        return max((item.verdict for item in self.items), key=_RANK.__getitem__, default="ok")

    @property
    def failures(self) -> tuple[CheckItem, ...]:
        """What makes it unusable."""
        return tuple(item for item in self.items if item.verdict == "fail")

    @property
    def warnings(self) -> tuple[CheckItem, ...]:
        """What could be better."""
        return tuple(item for item in self.items if item.verdict == "warn")

    def describe(self) -> dict[str, Any]:
        """Plain JSON values."""
        items = []
        for item in self.items:
            row = asdict(item)
            del row["several"]
            items.append(row)
        return {
            "source": self.source,
            "kind": self.kind,
            "verdict": self.verdict,
            "items": items,
        }

    def raise_failures(self) -> None:
        """Refuse what is unusable, in one sentence.

        Raises:
            PictureUnusable: The picture or video itself.
            NoFaceFound: No face, or in too few frames.
            SeveralFacesFound: More than one.
            FaceUnusable: Turned away, covered, blurred, too small, mouth wide open.
        """
        if not self.failures:
            return
        first = self.failures[0]
        kind = _ERRORS.get(first.name, FaceUnusable)
        if first.name == "faces" and first.several:
            kind = SeveralFacesFound
        raise kind(f"{self.source}: {join_sentences(self.failures)}")


def join_sentences(items: Sequence[CheckItem]) -> str:
    """What was found, then what to do, of several items in one sentence."""
    found = ", ".join(item.found for item in items)
    advice = "; ".join(dict.fromkeys(item.advice for item in items if item.advice))
    return f"{found}; {advice}" if advice else found
