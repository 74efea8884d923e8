"""`visavis data`: what is in a published dataset, and how to train on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections import Counter

    from visavis.training.data.adapters.describe import Description
    from visavis.training.data.adapters.record import Adapter, Problem

_PERSONAL = (
    "Faces and voices are personal data: keep them, and what is trained on them, as the licence and the"
    " law ask."
)


@click.group("data")
def command() -> None:
    """Read published datasets of talking faces by their own layouts; none is bundled or fetched."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_datasets(as_json: bool) -> None:
    """List the datasets that are known, with their licences."""
    from visavis.training.data.adapters.registry import ADAPTERS

    if as_json:
        click.echo(json.dumps([_about(a) for a in ADAPTERS.values()], indent=2))
        return
    for adapter in ADAPTERS.values():
        click.echo(f"{adapter.name:<10} {adapter.about.title}; {adapter.about.size}")
        click.echo(f"{'':<10} licence: {adapter.about.licence}; {adapter.about.page}")
    click.echo("\n(u): by others' word; read the licence itself.")


@command.command("describe")
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--dataset", metavar="NAME", help="Which one, rather than by the layout.")
@click.option("--probe", is_flag=True, help="Ask the videos for their lengths; slow.")
@click.option(
    "--problems",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="How many problems and missing files to show.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def describe_dataset(
    root: Path, dataset: str | None, probe: bool, problems: int, as_json: bool
) -> None:
    """Count what is in the dataset in the folder ROOT: clips, people, hours, labels, what is missing.

    The dataset is recognised by its layout. Labels are read one after the other; rows that are wrong
    are counted, and nothing stops.
    """
    from visavis.training.data.adapters.describe import describe
    from visavis.training.data.adapters.registry import find_adapter

    adapter = find_adapter(root, dataset)
    found = describe(adapter, root, probe_files=probe, shown=problems)
    if as_json:
        click.echo(json.dumps(_as_dict(adapter, found), ensure_ascii=False, indent=2))
    else:
        _tell(adapter, found, probe)


@command.command("link")
@click.argument("root", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the links, for `visavis prepare`.",
)
@click.option("--dataset", metavar="NAME", help="Which one, rather than by the layout.")
@click.option("--view", default="", help="Only this camera, where there are several (front).")
def link_dataset(root: Path, output: Path, dataset: str | None, view: str) -> None:
    """Link the videos of the dataset in the folder ROOT so that their folders tell who is who.

    `visavis prepare` takes the tree as it is: SPLIT/PERSON/VIDEO. Parts of longer videos, and videos
    whose sound lies apart, cannot be handed on and are counted.
    """
    from collections import Counter

    from visavis.core.errors import FileUnreadable
    from visavis.training.data.adapters.registry import find_adapter
    from visavis.training.data.adapters.sources import link_sources, to_sources

    adapter = find_adapter(root, dataset)
    left_out: Counter[str] = Counter()

    def tell(problem: Problem) -> None:
        left_out[problem.kind] += 1

    records = adapter.records(root, lambda problem: None)
    made = link_sources(to_sources(records, root, tell, view), output)
    click.echo(f"{made} videos of {adapter.name} linked in {output}")
    for kind, count in left_out.most_common():
        click.echo(f"left out: {count}, {kind}", err=True)
    if not made:
        raise FileUnreadable(f"no clip of {root} can be handed to `visavis prepare` as it is")
    click.echo(f"licence: {adapter.about.licence}. {_PERSONAL}")


def _about(adapter: Adapter) -> dict[str, Any]:
    from dataclasses import asdict

    return {"name": adapter.name, "looks_for": adapter.looks_for, **asdict(adapter.about)}


def _as_dict(adapter: Adapter, found: Description) -> dict[str, Any]:
    return {
        "dataset": adapter.name,
        "about": _about(adapter),
        "clips": found.clips,
        "missing": found.missing,
        "seconds": round(found.seconds, 2),
        "clips_of_unknown_length": found.without_length,
        "speakers": len(found.speakers),
        "splits": {
            name: {
                "clips": share.clips,
                "seconds": round(share.seconds, 2),
                "speakers": len(share.speakers),
            }
            for name, share in sorted(found.splits.items())
        },
        "emotions": dict(found.emotions),
        "intensities": dict(found.intensities),
        "languages": dict(found.languages),
        "views": dict(found.views),
        "transcribed": found.transcribed,
        "with_word_times": found.timed,
        "problems": {
            "kinds": dict(found.kinds),
            "first": [
                {"place": p.place, "kind": p.kind, "detail": p.detail} for p in found.problems
            ],
        },
        "missing_files": found.missing_files,
        "personal_data": _PERSONAL,
    }


def _tell(adapter: Adapter, found: Description, probed: bool) -> None:
    about = adapter.about
    click.echo(f"{adapter.name}: {about.title}")
    click.echo(f"  published  {about.size}")
    unknown = f", {found.without_length} of unknown length" if found.without_length else ""
    source = "their files" if probed else "their labels"
    click.echo(f"  clips      {found.clips}, {_hours(found.seconds)} by {source}{unknown}")
    click.echo(f"  missing    {found.missing} videos")
    people = str(len(found.speakers)) if found.speakers else "not published"
    click.echo(f"  speakers   {people}")
    for name, share in sorted(found.splits.items()):
        who = f", {len(share.speakers)} speakers" if share.speakers else ""
        title = "no split" if name == "none" else name
        click.echo(f"  {title:<10} {share.clips} clips, {_hours(share.seconds)}{who}")
    click.echo(f"  words      {found.transcribed} clips with text, {found.timed} with times")
    for title, counts in (
        ("languages", found.languages),
        ("emotions", found.emotions),
        ("strength", found.intensities),
        ("cameras", found.views),
    ):
        if counts:
            click.echo(f"  {title:<10} {_counts(counts)}")
    if found.kinds:
        click.echo(f"  problems   {_counts(found.kinds)}")
    for problem in found.problems:
        detail = f": {problem.detail}" if problem.detail else ""
        click.echo(f"    {problem.place}: {problem.kind}{detail}")
    for name in found.missing_files:
        click.echo(f"    {name}: not there")
    click.echo(f"  licence    {about.licence}. {about.terms} {about.page}")
    click.echo(f"  {_PERSONAL}")


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2f} h" if seconds >= 360 else f"{seconds:.1f} s"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
