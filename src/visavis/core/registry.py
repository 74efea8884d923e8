"""Stages by name, from entry points. Built-in ones register the same way as plugins."""

from __future__ import annotations

from importlib import metadata
from typing import Any, Literal, TypeAlias

from visavis.core.errors import MissingExtra, UnknownStage

Kind: TypeAlias = Literal["recognizers", "responders", "synthesizers", "animators", "enhancers"]
KINDS: tuple[Kind, ...] = ("recognizers", "responders", "synthesizers", "animators", "enhancers")

_EXTRA_OF = {
    "torch": "train",
    "aiortc": "live",
    "fastapi": "live",
    "gradio": "studio",
    "openai": "llm",
}


def names(kind: Kind) -> list[str]:
    """List the registered stages of a kind, sorted."""
    return sorted({e.name for e in metadata.entry_points(group=f"visavis.{kind}")})


def load(kind: Kind, name: str) -> type[Any]:
    """Import a stage's class.

    Raises:
        UnknownStage: No entry point of that name.
        MissingExtra: Its module needs a package that is not installed.
    """
    found = [e for e in metadata.entry_points(group=f"visavis.{kind}") if e.name == name]
    if not found:
        known = ", ".join(names(kind)) or "none"
        raise UnknownStage(f"no {kind[:-1]} is called {name!r}; there are: {known}")
    try:
        stage: type[Any] = found[0].load()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "visavis" or not missing:
            raise
        extra = _EXTRA_OF.get(missing)
        do = f"pip install 'visavis[{extra}]'" if extra else f"pip install {missing}"
        raise MissingExtra(
            f"the {kind[:-1]} {name!r} needs the package {missing!r}: {do}"
        ) from error
    return stage


def find_package(kind: Kind, name: str) -> str:
    """Name the package that a stage comes from, with its version; empty where that is not known."""
    for entry in metadata.entry_points(group=f"visavis.{kind}"):
        if entry.name == name and entry.dist is not None:
            return f"{entry.dist.name}=={entry.dist.version}"
    return ""


def describe(kind: Kind) -> list[tuple[str, str, str]]:
    """Return (name, distribution, first line of the docstring or why it cannot load) of each."""
    rows = []
    for name in names(kind):
        entry = next(e for e in metadata.entry_points(group=f"visavis.{kind}") if e.name == name)
        dist = entry.dist.name if entry.dist else "?"
        try:
            doc = (load(kind, name).__doc__ or "").strip().splitlines()
            rows.append((name, dist, doc[0] if doc else ""))
        except MissingExtra as error:
            rows.append((name, dist, str(error)))
    return rows
