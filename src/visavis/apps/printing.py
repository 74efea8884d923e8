"""How results look on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


def print_answer(result: Mapping[str, Any]) -> None:
    """Print question, answer, files and timings of one answer."""
    if result.get("asked"):
        click.echo(f"asked     {result['asked']}  ({result['recording']})")
        click.echo(f"heard     {result['question']}")
    else:
        click.echo(f"question  {result['question']}")
    if result.get("persona"):
        click.echo(f"persona   {result['persona']}")
    click.echo(f"answer    {result['answer']}")
    if result.get("source"):
        click.echo(f"source    {result['source']}")
    if passage := result.get("passage"):
        where = " · ".join(part for part in (passage["document"], passage["place"]) if part)
        plain = "".join(c if c.isprintable() else " " for c in where)
        click.echo(
            f"note      a document may hold the answer: {plain}; documents are answered from with"
            " VISAVIS_PERSONA and a language model, see docs/knowledge.md"
        )
    print_files(result)
    timings: Mapping[str, Mapping[str, float]] = result["timings"]
    first = timings.get("animator", {}).get("first")
    after = f", the first picture after {first:.1f} s" if first is not None else ""
    click.echo(f"time      {result['elapsed']:.1f} s{after}")
    for stage, marks in timings.items():
        parts = []
        if "first" in marks:
            parts.append(f"first result after {marks['first']:.2f} s")
        if "total" in marks:
            parts.append(f"{marks['total']:.2f} s at work")
        click.echo(f"  {stage:<12}{', '.join(parts)}")


def print_files(result: Mapping[str, Any]) -> None:
    """Print the video and its subtitles."""
    click.echo(f"video     {result['video']}  ({result['seconds']:.1f} s)")
    for path in result["subtitles"]:
        click.echo(f"subtitles {path}")
