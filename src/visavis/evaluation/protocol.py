"""How a figure was measured. Figures of different protocols are not compared: a reason is given instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from visavis.core.errors import InputError
from visavis.core.types import FPS

VERSION = 1
"""Of the definitions; raised when one of them changes what it gives."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """All that a figure depends on beside the videos.

    Attributes:
        detector: What finds faces and landmarks.
        crop: What pictures are compared on.
        every: Networks that judge single pictures see every so many-th frame.
        fps: Frames a second.
        version: Of the definitions.
        networks: Hash of each network that was used, by its metric's name.
    """

    detector: str
    crop: str
    every: int
    fps: int = FPS
    version: int = VERSION
    networks: Mapping[str, str] = field(default_factory=dict)

    def differences(self, other: Protocol, metric: str = "") -> list[str]:
        """Say in what another protocol differs, as far as it matters to a metric (all unless told)."""
        found = [
            f"{f.name} {getattr(self, f.name)!r} against {getattr(other, f.name)!r}"
            for f in fields(self)
            if f.name != "networks" and getattr(self, f.name) != getattr(other, f.name)
        ]
        names = [metric] if metric else sorted({*self.networks, *other.networks})
        for name in names:
            mine, its = self.networks.get(name), other.networks.get(name)
            if mine and its and mine != its:
                found.append(f"network of {name} {mine!r} against {its!r}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """As it is written into reports."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Protocol:
        """Read one from a report.

        Raises:
            InputError: Something is missing or unknown.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(
                "the report was written by another version of visavis: its protocol cannot be"
                f" read ({error}); measure again with this one"
            ) from error


def check_comparable(protocols: Mapping[str, Protocol], metric: str = "") -> None:
    """Refuse to compare what was measured in different ways.

    Args:
        protocols: By the name of what was measured.
        metric: As `Protocol.differences` takes it.

    Raises:
        InputError: They differ; says in what.
    """
    (first, protocol), *others = protocols.items()
    for name, other in others:
        differences = protocol.differences(other, metric)
        if differences:
            raise InputError(
                f"{first} and {name} were measured in different ways, and their figures cannot be"
                f" compared: {'; '.join(differences)}. Measure both again with one version and the"
                " same options"
            )
