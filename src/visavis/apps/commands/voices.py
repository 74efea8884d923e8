"""`visavis voices`: who can speak."""

from __future__ import annotations

import json

import click


@click.command("voices")
@click.option("--language", type=click.Choice(["zh", "en"]), help="Only those made for it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(language: str | None, as_json: bool) -> None:
    """List the voices of all synthesizers."""
    from visavis.apps.assemble import DEFAULT_VOICES
    from visavis.core import registry

    found = [
        voice
        for name in registry.names("synthesizers")
        for voice in registry.load("synthesizers", name)().voices()
        if language in (None, voice.languages[0])
    ]
    rows = [
        {
            "name": voice.name,
            "synthesizer": voice.synthesizer,
            "languages": list(voice.languages),
            "gender": voice.gender,
            "sample_rate": voice.sample_rate,
            "default_for": [key for key, name in DEFAULT_VOICES.items() if name == voice.name],
        }
        for voice in found
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "voice", "synthesizer", "made for", "also", "gender", "", box=None, pad_edge=False
    )
    for row in rows:
        first, *others = row["languages"]
        default = "default" if row["default_for"] else ""
        table.add_row(
            row["name"], row["synthesizer"], first, " ".join(others), row["gender"], default
        )
    Console().print(table)
