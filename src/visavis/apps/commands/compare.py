"""`visavis compare`: reports of `visavis evaluate` side by side."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare")
@click.argument("reports", nargs=-1, required=True, metavar="[NAME=]REPORT...")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder for report.html and report.md."
)
def command(reports: tuple[str, ...], output: Path | None) -> None:
    """Put reports of the same clips side by side; NAME= renames one.

    Reports that were measured in different ways, or on different clips, are refused with the reason.
    """
    from dataclasses import replace

    from visavis.evaluation.report import check_reports, read_report, to_markdown
    from visavis.evaluation.report_page import write_page
    from visavis.media.files import finish_or_discard

    if len(reports) < 2:
        raise click.UsageError("give at least two reports")
    found, folders = [], []
    for text in reports:
        name, _, rest = text.rpartition("=")
        path = Path(text) if Path(text).exists() else Path(rest)
        report = read_report(path)
        renamed = name if name and not Path(text).exists() else report.name
        found.append(replace(report, name=renamed))
        folders.append(path if path.is_dir() else path.parent)
    check_reports(found)
    markdown = to_markdown(found)
    if output is None:
        click.echo(markdown)
        return
    output.mkdir(parents=True, exist_ok=True)
    with finish_or_discard(output / "report.md") as part:
        part.write_text(markdown, encoding="utf-8")
    click.echo(f"report    {write_page(output, found, folders)}")
