"""`visavis stages`: what is registered."""

from __future__ import annotations

import json

import click


@click.command("stages")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the stages that can be put together, built in and from plugins."""
    from visavis.core.registry import KINDS, describe

    rows = [(kind, *row) for kind in KINDS for row in describe(kind)]
    if as_json:
        keys = ("kind", "name", "package", "about")
        click.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("kind", "name", "package", "about", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
