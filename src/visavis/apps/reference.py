"""Writes the reference of the commands from their own help: ``python -m visavis.apps.reference``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from visavis.apps.cli import main

WIDTH = 96
_HEAD = """# The commands

Made from the commands' own help by `python -m visavis.apps.reference docs/cli.md`; a test fails when
it is not up to date. Commands that a program would read have `--json`.
"""


def make_reference() -> str:
    """Return the reference of all commands as Markdown."""
    return _HEAD + "".join(_describe(main, "visavis", None))


def _describe(command: click.Command, path: str, parent: click.Context | None) -> Iterator[str]:
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    name = path.split()[-1]
    with click.Context(command, info_name=name, parent=parent, **settings) as context:
        yield f"\n## {path}\n```\n{context.get_help()}\n```\n"
        if isinstance(command, click.Group):
            for child_name in command.list_commands(context):
                child = command.get_command(context, child_name)
                if child is not None and not child.hidden:
                    yield from _describe(child, f"{path} {child_name}", context)


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
def write_reference(output: Path) -> None:
    """Write the reference into OUTPUT."""
    output.write_text(make_reference(), encoding="utf-8")


if __name__ == "__main__":
    write_reference()
