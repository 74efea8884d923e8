"""`visavis demo`: one written and one spoken question in each language, answered into a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


@click.command("demo")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="out",
    show_default=True,
    help="The folder for the videos; made where it is missing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(output: Path, as_json: bool) -> None:
    """Answer four questions: written and spoken, Chinese and English.

    The spoken ones are first said by a voice that is not the avatar's, saved as sound files, and
    then really recognised.
    """
    from visavis.apps.demonstration import DEMO_QUESTIONS, make_folder, run_demo
    from visavis.apps.printing import print_answer
    from visavis.apps.recording import run

    make_folder(output)
    if not as_json:
        click.echo(f"answering {len(DEMO_QUESTIONS)} questions into {output}\n")

    def tell(number: int, result: Mapping[str, Any]) -> None:
        if not as_json:
            click.echo(f"── {number} of {len(DEMO_QUESTIONS)} ──")
            print_answer(result)
            click.echo()

    results = run(run_demo(output, tell))
    if as_json:
        click.echo(json.dumps(results, ensure_ascii=False, indent=2))
