"""Writes the report: sections of text and tables, as Markdown, as one HTML page, and as JSON and CSV."""

from __future__ import annotations

import csv
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visavis.apps.mos.answers import Answers
from visavis.apps.mos.chart import Bar, draw_intervals
from visavis.media.files import finish_or_discard, unwritable

_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .75rem 0; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #8886; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; } svg { max-width: 100%; height: auto; }
"""


@dataclass(slots=True)
class Section:
    """A heading with what stands under it, in this order: texts, charts, tables."""

    title: str
    level: int = 2
    texts: list[str] = field(default_factory=list)
    charts: list[str] = field(default_factory=list)
    tables: list[Sequence[Sequence[str]]] = field(default_factory=list)


def write_report(folder: Path, result: Mapping[str, Any], answers: Answers) -> list[Path]:
    """Write all files.

    Args:
        folder: Made where it is missing.
        result: Of `analysis.analyse`.
        answers: What it is of.

    Raises:
        OutputUnwritable: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    sections = make_sections(result)
    contents = {
        "report.json": json.dumps(result, ensure_ascii=False, indent=1) + "\n",
        "report.md": to_markdown(sections),
        "report.html": to_html(sections),
        "answers.csv": to_csv(answers),
    }
    for name, content in contents.items():
        with finish_or_discard(folder / name) as part:
            part.write_text(content, encoding="utf-8")
    return [folder / name for name in contents]


def make_sections(result: Mapping[str, Any]) -> list[Section]:
    """Put the figures into words and tables."""
    raters = result["raters"]
    active = [rater for rater in raters if rater["done"]]
    excluded = [rater for rater in active if rater["excluded"]]
    finished = sum(rater["done"] == rater["dealt"] for rater in active)
    protocol = result["protocol"]
    head = Section(result["title"] or "Opinions", level=1)
    head.texts = [
        f"{len(active)} raters answered ({finished} of them to the end) on {result['items']} items of"
        f" {len(result['systems'])} systems.",
        f"Intervals: {protocol['interval']}, {protocol['draws']} draws, seed {protocol['seed']}."
        " Where — stands, there are too few raters or items to say.",
    ]
    if excluded:
        head.texts.append(
            f"Raters who missed more catch trials than the {protocol['misses_allowed']} allowed:"
            f" {len(excluded)}. They count in the last section only."
        )
    if not protocol["catches"]:
        head.texts.append("There were no catch trials: nobody was checked for looking.")
    if result["problems"]:
        head.texts.append(
            f"{len(result['problems'])} trials could not be played and were left out."
        )
    sections = [head]
    for figures in result["kept"]:
        sections += _describe_question(figures, result["kind"])
    sections.append(_describe_raters(raters))
    if excluded:
        for figures in result["all"]:
            sections += _describe_question(figures, result["kind"], note="with all raters")
    return sections


def _describe_question(figures: Mapping[str, Any], kind: str, note: str = "") -> list[Section]:
    asked = figures["question"]["en"]
    section = Section(f"{asked} ({note})" if note else asked)
    alphas = ", ".join(f"{show(a)} ({level})" for level, a in figures["agreement"].items())
    section.texts.append(f"Agreement of raters, Krippendorff's alpha: {alphas}.")
    sections = [section]
    if kind == "scores":
        systems = sorted(figures["systems"], key=lambda s: -(s["mean"] or 0))
        section.charts.append(
            draw_intervals([_bar(s, "mean") for s in systems], 1, 5, "Mean opinion score")
        )
        section.tables.append(
            [
                (
                    "system",
                    "MOS",
                    "95 %",
                    "deviation",
                    "ratings",
                    "raters",
                    "items",
                    "1 / 2 / 3 / 4 / 5",
                )
            ]
            + [
                (
                    s["system"],
                    show(s["mean"]),
                    _interval(s),
                    show(s["deviation"]),
                    str(s["ratings"]),
                    str(s["raters"]),
                    str(s["items"]),
                    " / ".join(map(str, s["given"])),
                )
                for s in systems
            ]
        )
        apart = Section("Differences", level=3)
        apart.texts.append("Two systems differ where the interval does not hold 0.")
        apart.tables.append(
            [("difference", "MOS", "95 %")]
            + [
                (f"{d['system']} − {d['less']}", show(d["mean"], sign=True), _interval(d))
                for d in figures["differences"]
            ]
        )
        sections.append(apart)
    else:
        section.texts.append(
            f"Of those who preferred one, {show(figures['first_side'], percent=True)} chose the side"
            " shown as A; far from 50 % is a habit of sides."
        )
    return [*sections, *_describe_ranking(figures, implied=kind == "scores")]


def _describe_ranking(figures: Mapping[str, Any], *, implied: bool) -> list[Section]:
    section = Section("Ranking (Bradley-Terry)", level=3)
    if implied:
        section.texts.append("By the pairs that scores of one rater for one item imply.")
    section.texts.append(
        "Strength is a natural logarithm, 0 on average: 1.1 more is three wins of four."
    )
    ranking = figures["ranking"]
    ends = [r[key] for r in ranking for key in ("low", "high", "strength") if r[key] is not None]
    reach = math.ceil(max([1.0, *(abs(end) for end in ends)]))
    section.charts.append(
        draw_intervals([_bar(r, "strength") for r in ranking], -reach, reach, "Strength")
    )
    section.tables.append(
        [("system", "strength", "95 %", "won (ties half)", "comparisons")]
        + [
            (
                r["system"],
                show(r["strength"], sign=True),
                _interval(r),
                f"{r['won']:g}",
                str(r["comparisons"]),
            )
            for r in ranking
        ]
    )
    section.tables.append(
        [("pair", "first better", "no difference", "second better")]
        + [
            (
                f"{p['first']} : {p['second']}",
                str(p["first_better"]),
                str(p["same"]),
                str(p["second_better"]),
            )
            for p in figures["preferences"]
        ]
    )
    return [section]


def _describe_raters(raters: Sequence[Mapping[str, Any]]) -> Section:
    section = Section("Raters")
    section.texts.append(
        "Seconds: median from having seen the videos to the answer. Same: share of the answer given"
        " most; near 100 % is somebody who did not judge."
    )
    section.tables.append(
        [("rater", "trials", "catches missed", "counts", "seconds", "plays", "same")]
        + [
            (
                str(r["rater"]),
                f"{r['done']} of {r['dealt']}",
                f"{r['missed']} of {r['catches']}",
                "no" if r["excluded"] else "yes",
                show(r["seconds"]),
                show(r["plays"]),
                show(r["same"], percent=True),
            )
            for r in raters
        ]
    )
    return section


def _bar(figures: Mapping[str, Any], key: str) -> Bar:
    return Bar(figures["system"], figures[key], figures["low"], figures["high"])


def _interval(figures: Mapping[str, Any]) -> str:
    if figures["low"] is None:
        return "—"
    return f"{show(figures['low'])} to {show(figures['high'])}"


def show(value: float | None, *, sign: bool = False, percent: bool = False) -> str:
    """Write a number as it is read."""
    if value is None:
        return "—"
    if percent:
        return f"{value:.0%}"
    return f"{value:+.2f}" if sign else f"{value:.2f}"


def to_markdown(sections: Sequence[Section]) -> str:
    """Write sections as Markdown, without charts."""
    lines = []
    for section in sections:
        lines += [f"{'#' * section.level} {section.title}", ""]
        for text in section.texts:
            lines += [text, ""]
        for head, *rows in section.tables:
            lines.append("| " + " | ".join(map(_cell, head)) + " |")
            lines.append("|---" + "|--:" * (len(head) - 1) + "|")
            lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
            lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def to_html(sections: Sequence[Section]) -> str:
    """Write sections as one page that needs nothing else."""
    title = html.escape(sections[0].title)
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><body>"
    ]
    for section in sections:
        parts.append(f"<h{section.level}>{html.escape(section.title)}</h{section.level}>")
        parts += [f"<p>{html.escape(text)}</p>" for text in section.texts]
        parts += section.charts
        for head, *rows in section.tables:
            parts.append('<div class="wide"><table><thead>' + _row(head, "th") + "</thead><tbody>")
            parts += [_row(row, "td") for row in rows]
            parts.append("</tbody></table></div>")
    return "\n".join(parts) + "\n</body></html>\n"


def _row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def to_csv(answers: Answers) -> str:
    """Write every answer as a row, for other programs."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "rater",
            "trial",
            "catch",
            "item",
            "first",
            "second",
            "question",
            "answer",
            "seconds",
            "plays",
        ]
    )
    for row in answers.rows:
        writer.writerow(
            [row.rater, row.trial, "" if row.catch is None else row.catch, row.item, row.first,
             row.second, row.question, row.answer, f"{row.seconds:.3f}",
             " ".join(map(str, row.plays))]
        )  # fmt: skip
    return out.getvalue()
