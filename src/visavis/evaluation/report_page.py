"""One page without anything beside it or from a network: tables, distributions, best and worst clips.

Videos are put into the page while they are small; larger ones are linked to where they lie.
"""

from __future__ import annotations

import base64
import html
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from visavis.evaluation.bootstrap import LEVEL
from visavis.evaluation.metrics import BY_NAME, METRICS, Metric
from visavis.evaluation.report import ClipRow, Figure, Report, find_best, say
from visavis.media.files import finish_or_discard

PAGE = "report.html"
SHOWN = 3
"""Best clips that are shown, and worst ones."""
EMBEDDED = 4 << 20
"""Bytes of a video up to which it is put into the page."""
_MOST_EMBEDDED = 60 << 20
_RANKED = ("sync_confidence", "m_lmd", "csim", "flicker_rim")
"""By the first of these that was measured, clips are put in order."""
_WIDTH, _HEIGHT = 300, 54
_COLOURS = ("#4b7bec", "#e0752d", "#2a9d6f", "#b455c8", "#c9a227", "#d1495b", "#5f6b7a")
"""Of systems, in their order; told apart also by the line that each has."""

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dot: #4b7bec; --soft: #777; --good: #2a8a4a1f }
@media (prefers-color-scheme: dark) { :root { --soft: #aaa; --dot: #8ab0ff; --good: #5fd08833 } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: min(1640px, 96vw); padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem }
p { margin: .2rem 0 .8rem; max-width: 75ch } .soft { color: var(--soft); font-size: .86rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: middle }
td.n, th.n { text-align: right; white-space: nowrap } td.best { background: var(--good) }
svg { display: block } svg circle { fill-opacity: .6 }
.mark { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .35em }
svg line { stroke: currentColor } svg text { fill: currentColor; font-size: 10px }
.clips { display: grid; gap: 1.4rem }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: .8rem }
figcaption { overflow-wrap: anywhere; margin-bottom: .5rem }
.players { display: flex; flex-wrap: wrap; gap: .8rem }
.players div { flex: 1 1 220px; max-width: 340px; min-width: 0 }
video { width: 100%; max-height: 70vh; border-radius: 6px; background: #000; display: block }
img.strip { width: 100%; height: auto; display: block; margin-top: .6rem; border-radius: 4px }
details { margin: .4rem 0 } summary { cursor: pointer }
"""


def write_page(folder: Path, reports: Sequence[Report], folders: Sequence[Path] = ()) -> Path:
    """Write the page of one report, or of several side by side.

    Args:
        folder: Where it goes.
        reports: Of the same clips, measured in the same way.
        folders: Where each report's strips lie; ``folder`` unless told.

    Raises:
        OutputUnwritable: It cannot be written.
    """
    folders = folders or [folder] * len(reports)
    names = ", ".join(report.name for report in reports)
    parts = [
        f"<h1>{_text(names)}</h1>",
        *(_head(report) for report in reports),
        *(f"<p class=soft>{_text(note)}.</p>" for note in _notes(reports)),
        "<h2>Figures</h2>",
        _table(reports),
        f"<p class=soft>Mean over clips; in brackets the {LEVEL:.0%} interval of that mean, by bootstrap over"
        " clips. Dots are clips. Tinted: best, and what cannot be told from it clip by clip.</p>",
        _clips(reports, folders, folder),
        _every_clip(reports),
        _protocol(reports),
    ]
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{_text(names)}: visavis evaluate</title><style>{_STYLE}</style>"
        f"<body>{''.join(parts)}</body></html>\n"
    )
    path = folder / PAGE
    with finish_or_discard(path) as part:
        part.write_text(page, encoding="utf-8")
    return path


def _head(report: Report) -> str:
    measured = [row for row in report.clips if not row.error]
    frames = sum(row.frames for row in measured)
    seconds = frames / report.protocol.fps
    lines = [
        f"<p>{_text(report.name)}: {len(measured)} clips, {frames} frames, {seconds:.1f} s.</p>"
    ]
    failed = [row for row in report.clips if row.error]
    if failed:
        rows = "".join(f"<li>{_text(row.name)}: {_text(row.error)}</li>" for row in failed)
        lines.append(
            f"<details open><summary>{len(failed)} not measured</summary><ul>{rows}</ul></details>"
        )
    return "".join(lines)


def _notes(reports: Sequence[Report]) -> list[str]:
    return list(dict.fromkeys(note for report in reports for note in report.notes))


def _mark(number: int) -> str:
    """The dot that stands for a system."""
    return f"<span class=mark style='background:{_COLOURS[number % len(_COLOURS)]}'></span>"


def _table(reports: Sequence[Report]) -> str:
    summaries = [report.summary() for report in reports]
    heads = "".join(
        f"<th class=n>{_mark(k) if len(reports) > 1 else ''}{_text(report.name)}"
        for k, report in enumerate(reports)
    )
    rows = [f"<tr><th>Metric<th>Unit<th>Better{heads}<th>Clips"]
    for metric in METRICS:
        figures = [summary.get(metric.name) for summary in summaries]
        if not any(figures):
            continue
        best = find_best(metric, reports)
        cells = "".join(
            f"<td class='n{' best' if k in best else ''}'>{_text(say(figure))}"
            for k, figure in enumerate(figures)
        )
        rows.append(
            f"<tr title='{_text(metric.definition)}'><td>{_text(metric.title)}<td>{_text(metric.unit)}"
            f"<td>{metric.better}{cells}<td>{_dots(metric, reports, figures)}"
        )
    return f"<div class=wide><table>{''.join(rows)}</table></div>"


def _dots(metric: Metric, reports: Sequence[Report], figures: Sequence[Figure | None]) -> str:
    """All clips of all systems on one axis, a line each."""
    values = [
        [row.figures[metric.name] for row in report.clips if metric.name in row.figures]
        for report in reports
    ]
    flat = [v for some in values for v in some]
    if len(flat) < 2:
        return ""
    low, high = min(flat), max(flat)
    if high - low < 1e-9:
        return f"<span class=soft>all {low:.3g}</span>"
    step = 16
    height = step * len(values) + _HEIGHT - 2 * step - 8

    def at(value: float) -> float:
        return 8 + (_WIDTH - 16) * (value - low) / (high - low)

    marks = []
    for k, some in enumerate(values):
        y = 10 + step * k
        colour = _COLOURS[k % len(_COLOURS)]
        marks += [f"<circle cx={at(v):.1f} cy={y} r=3.2 fill='{colour}' />" for v in some]
        figure = figures[k]
        if figure is not None and math.isfinite(figure.value):
            x = at(float(np.clip(figure.value, low, high)))
            marks.append(f"<line x1={x:.1f} x2={x:.1f} y1={y - 7} y2={y + 7} stroke-width=2 />")
    axis = (
        f"<text x=2 y={height - 2}>{low:.3g}</text>"
        f"<text x={_WIDTH - 2} y={height - 2} text-anchor=end>{high:.3g}</text>"
    )
    return (
        f"<svg width={_WIDTH} height={height} role=img aria-label='{_text(metric.title)} of each clip,"
        f" from {low:.3g} to {high:.3g}'>{''.join(marks)}{axis}</svg>"
    )


def _clips(reports: Sequence[Report], folders: Sequence[Path], page: Path) -> str:
    """The worst and the best clips of the first report, beside the others' and the real ones."""
    first = reports[0]
    name = next((n for n in _RANKED if any(n in row.figures for row in first.clips)), None)
    if name is None:
        return ""
    metric = BY_NAME[name]
    ranked = sorted(
        (row for row in first.clips if name in row.figures),
        key=lambda row: row.figures[name],
        reverse=metric.better == "more",
    )
    best, worst = ranked[:SHOWN], ranked[SHOWN:][-SHOWN:][::-1]
    budget = [_MOST_EMBEDDED]
    parts = []
    for title, rows in (("Worst", worst), ("Best", best)):
        if not rows:
            continue
        figures = [_clip(row, reports, folders, page, metric, budget) for row in rows]
        parts.append(
            f"<h2>{title} clips by {_text(metric.title.lower())}</h2><div class=clips>{''.join(figures)}</div>"
        )
    return "".join(parts)


def _clip(
    row: ClipRow,
    reports: Sequence[Report],
    folders: Sequence[Path],
    page: Path,
    metric: Metric,
    budget: list[int],
) -> str:
    players, strips = [], []
    if row.real and str(Path(row.real).resolve()) not in _files_of(row.name, reports):
        players.append(_player("real", Path(row.real), page, budget))
    for number, (report, folder) in enumerate(zip(reports, folders, strict=True)):
        twin = next((other for other in report.clips if other.name == row.name), None)
        if twin is None or twin.error:
            continue
        value = twin.figures.get(metric.name)
        said = "" if value is None else f", {metric.title.lower()} {value:.3f}"
        players.append(_player(report.name + said, Path(twin.made), page, budget))
        if twin.strip and (folder / twin.strip).is_file():
            data = base64.b64encode((folder / twin.strip).read_bytes()).decode()
            mark = f"{_mark(number)}{_text(report.name)}" if len(reports) > 1 else ""
            strips.append(
                f"<div class=soft>{mark}</div><img class=strip alt='faces of {_text(row.name)}, evenly taken'"
                f" src='data:image/jpeg;base64,{data}'>"
            )
    return (
        f"<figure><figcaption><b>{_text(row.name)}</b> <span class=soft>{row.frames} frames</span>"
        f"</figcaption><div class=players>{''.join(players)}</div>{''.join(strips)}</figure>"
    )


def _files_of(name: str, reports: Sequence[Report]) -> set[str]:
    """Files of a clip in all reports, links followed: where the real one is a system of its own."""
    rows = [row for report in reports for row in report.clips if row.name == name]
    return {str(path) for row in rows for path in (Path(row.made), Path(row.made).resolve())}


def _player(title: str, path: Path, page: Path, budget: list[int]) -> str:
    if not path.is_file():
        return f"<div class=soft>{_text(title)}: {_text(str(path))} is not there any more</div>"
    size = path.stat().st_size
    if size <= EMBEDDED and size <= budget[0]:
        budget[0] -= size
        kind = "webm" if path.suffix.lower() == ".webm" else "mp4"
        source = f"data:video/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    else:
        source = Path(os.path.relpath(path.resolve(), page.resolve())).as_posix()
    return (
        f"<div><video controls loop playsinline preload=metadata src='{_text(source)}'></video>"
        f"<span class=soft>{_text(title)}</span></div>"
    )


def _every_clip(reports: Sequence[Report]) -> str:
    parts = []
    for report in reports:
        names = [m.name for m in METRICS if any(m.name in row.figures for row in report.clips)]
        heads = "".join(f"<th class=n>{_text(BY_NAME[name].title)}" for name in names)
        rows = []
        for row in report.clips:
            cells = "".join(
                f"<td class=n>{row.figures[name]:.3f}"
                if name in row.figures
                else f"<td class=n title='{_text(row.notes.get(name, row.error))}'>–"
                for name in names
            )
            rows.append(f"<tr><td>{_text(row.name)}<td class=n>{row.frames}{cells}")
        parts.append(
            f"<details><summary>Every clip of {_text(report.name)}</summary><div class=wide><table>"
            f"<tr><th>Clip<th class=n>Frames{heads}{''.join(rows)}</table></div></details>"
        )
    return "<h2>Every clip</h2>" + "".join(parts)


def _protocol(reports: Sequence[Report]) -> str:
    protocol = reports[0].protocol
    networks = "".join(
        f"<li>{_text(BY_NAME[name].title)}: <code>{_text(network)}</code>"
        for name, network in protocol.networks.items()
    )
    shown = [m for m in METRICS if any(m.name in report.summary() for report in reports)]
    definitions = "".join(
        f"<li><b>{_text(m.title)}</b>: {_text(m.definition)} <span class=soft>({_text(m.source)})</span>"
        for m in shown
    )
    return (
        "<h2>Protocol</h2><ul>"
        f"<li>Definitions: version {protocol.version}<li>Faces: <code>{_text(protocol.detector)}</code>"
        f"<li>Pictures: {_text(protocol.crop)}"
        f"<li>{protocol.fps} frames a second; networks that judge single pictures see every"
        f" {protocol.every}. frame{networks}</ul>"
        "<p>Figures of another protocol are not comparable; <code>visavis compare</code> refuses them."
        f"</p><h2>Definitions</h2><ul>{definitions}</ul>"
    )


def _text(text: str) -> str:
    return html.escape(text, quote=True)
