"""What was measured of a set of clips: JSON, and tables for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from visavis.core.errors import FileUnreadable, InputError
from visavis.evaluation.bootstrap import LEVEL, mean_with_interval
from visavis.evaluation.metrics import BY_NAME, METRICS, Metric
from visavis.evaluation.protocol import Protocol, check_comparable
from visavis.media.files import finish_or_discard, read_bytes

FORMAT = 1
REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric over a set.

    Attributes:
        value: Mean over clips.
        low: Lower end of its 95 % confidence interval, by bootstrap over clips; NaN with too few.
        high: Upper end.
        clips: That it was measured on.
        frames: Of these clips.
    """

    value: float
    low: float
    high: float
    clips: int
    frames: int


@dataclass(frozen=True, slots=True)
class ClipRow:
    """One clip in a report.

    Attributes:
        name: Of the clip.
        made: Its file, as it was given.
        real: The reference's, or empty.
        frames: That were read.
        figures: By metric.
        notes: Why others are missing.
        error: Why nothing was measured; empty where it was.
        strip: Name of the picture of its faces in the report's folder, or empty.
    """

    name: str
    made: str
    real: str = ""
    frames: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    strip: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured of a set.

    Attributes:
        name: Of what was measured.
        protocol: How.
        clips: One row each.
        sets: Figures that only a whole set has, as FID.
        notes: On the set.
    """

    name: str
    protocol: Protocol
    clips: Sequence[ClipRow]
    sets: Mapping[str, Figure] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def is_real(self) -> bool:
        """Whether it is the reference itself that was measured, which shows what there is to reach."""
        rows = [row for row in self.clips if not row.error]
        return bool(rows) and all(
            row.real and Path(row.made).resolve() == Path(row.real).resolve() for row in rows
        )

    def summary(self) -> dict[str, Figure]:
        """Each metric over all clips, in the order of `METRICS`."""
        found = {}
        for metric in METRICS:
            if metric.name in self.sets:
                found[metric.name] = self.sets[metric.name]
                continue
            rows = [row for row in self.clips if metric.name in row.figures]
            if rows:
                values = np.array([row.figures[metric.name] for row in rows])
                found[metric.name] = Figure(
                    *mean_with_interval(values), len(rows), sum(row.frames for row in rows)
                )
        return found

    def write(self, folder: Path) -> Path:
        """Write ``report.json`` and ``report.md``.

        Raises:
            OutputUnwritable: They cannot be written.
        """
        values = {
            "format": FORMAT,
            "name": self.name,
            "protocol": self.protocol.to_dict(),
            "summary": {name: _finite(asdict(f)) for name, f in self.summary().items()},
            "sets": {name: _finite(asdict(f)) for name, f in self.sets.items()},
            "notes": list(self.notes),
            "clips": [asdict(row) for row in self.clips],
        }
        path = folder / REPORT
        with finish_or_discard(path) as part:
            part.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
        with finish_or_discard(folder / "report.md") as part:
            part.write_text(to_markdown([self]), encoding="utf-8")
        return path


def read_report(path: Path) -> Report:
    """Read a report, or the one in a folder.

    Raises:
        FileUnreadable: There is none, or it is no report.
        InputError: It was written by another version.
    """
    path = path / REPORT if path.is_dir() else path
    try:
        values = json.loads(read_bytes(path))
        if values["format"] != FORMAT:
            raise InputError(f"{path} has format {values['format']}, not {FORMAT}; measure again")
        return Report(
            values["name"],
            Protocol.from_dict(values["protocol"]),
            [ClipRow(**row) for row in values["clips"]],
            {name: Figure(**_numbers(f)) for name, f in values["sets"].items()},
            values["notes"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileUnreadable(f"{path} is no report of `visavis evaluate`: {error!r}") from error


def check_reports(reports: Sequence[Report]) -> None:
    """Refuse to put side by side what was measured in different ways or on different clips.

    Raises:
        InputError: Says in what they differ.
    """
    names = [report.name for report in reports]
    if len(set(names)) < len(names):
        raise InputError(
            f"reports have the same name: {', '.join(names)}; tell them apart by NAME="
        )
    check_comparable({report.name: report.protocol for report in reports})
    first, *others = reports
    known = {row.name for row in first.clips}
    for other in others:
        odd = sorted(known ^ {row.name for row in other.clips})
        if odd:
            raise InputError(
                f"{first.name} and {other.name} were measured on different clips, as"
                f" {', '.join(odd[:3])}{' …' if len(odd) > 3 else ''}; compare systems on the same"
            )


def to_markdown(reports: Sequence[Report]) -> str:
    """One or more reports as a table."""
    summaries = [report.summary() for report in reports]
    head = ["metric", "unit", "better", *(report.name for report in reports)]
    lines = [f"| {' | '.join(map(_cell, head))} |", "|" + "---|" * len(head)]
    for metric in METRICS:
        if not any(metric.name in summary for summary in summaries):
            continue
        best = find_best(metric, reports)
        cells = [
            f"**{say(s.get(metric.name))}**" if k in best else say(s.get(metric.name))
            for k, s in enumerate(summaries)
        ]
        lines.append(f"| {' | '.join([metric.title, metric.unit, metric.better, *cells])} |")
    lines += [
        "",
        f"Mean over clips; in brackets its {LEVEL:.0%} interval, by bootstrap over clips.",
    ]
    for report in reports:
        measured = [row for row in report.clips if not row.error]
        frames = sum(row.frames for row in measured)
        lines.append(
            f"\n{_cell(report.name)}: {len(measured)} clips, {frames} frames at"
            f" {report.protocol.fps} a second."
        )
        lines += [f"- not measured: {_cell(r.name)}: {r.error}" for r in report.clips if r.error]
    lines += ["", *(f"{note}." for note in dict.fromkeys(n for r in reports for n in r.notes))]
    protocol = reports[0].protocol
    lines += [
        "\n## Protocol",
        f"- definitions: version {protocol.version}",
        f"- faces: {protocol.detector}",
        f"- pictures: {protocol.crop}",
        f"- networks that judge single pictures see every {protocol.every}. frame",
        *(f"- {name}: {network}" for name, network in protocol.networks.items()),
        "\n## Definitions",
        *(
            f"- **{m.title}** ({m.source}): {m.definition}"
            for m in METRICS
            if any(m.name in s for s in summaries)
        ),
    ]
    return "\n".join(lines) + "\n"


def find_best(metric: Metric, reports: Sequence[Report]) -> set[int]:
    """Which of several is best, and which cannot be told from it; none where all are alike.

    Clip by clip: a system is as good as the best if the 95 % interval of the mean difference of what it
    lacks holds 0. Of what only a set has, only the best counts. The reference itself does not compete.

    Args:
        metric: Which way is better, it says.
        reports: Of the same clips.
    """
    if metric.better == "neither":
        return set()
    lacks: dict[int, Mapping[str, float]] = {}
    for k, report in enumerate(reports):
        if report.is_real:
            continue
        if metric.name in report.sets:
            lacks[k] = {"": _lack(metric, report.sets[metric.name].value)}
            continue
        rows = {r.name: r.figures[metric.name] for r in report.clips if metric.name in r.figures}
        if rows:
            lacks[k] = {name: _lack(metric, value) for name, value in rows.items()}
    if len(lacks) < 2:
        return set()
    means = {k: float(np.mean(list(values.values()))) for k, values in lacks.items()}
    best = min(means, key=lambda k: means[k])
    alike = {k for k in lacks if k == best or _as_good(lacks[k], lacks[best])}
    return alike if len(alike) < len(lacks) else set()


def _lack(metric: Metric, value: float) -> float:
    """How far a figure is from the best that there could be, or from nothing."""
    goal = {"more": -value, "less": value, "zero": abs(value), "one": abs(value - 1)}
    return goal[metric.better]


def _as_good(one: Mapping[str, float], best: Mapping[str, float]) -> bool:
    both = sorted(one.keys() & best.keys())
    if not both:
        return False
    differences = np.array([one[name] - best[name] for name in both])
    mean, low, _ = mean_with_interval(differences)
    return mean <= 0 or low <= 0


def say(figure: Figure | None) -> str:
    """A figure and its interval, for people."""
    if figure is None or not math.isfinite(figure.value):
        return "–"
    if not math.isfinite(figure.low):
        return _number(figure.value)
    return f"{_number(figure.value)} ({_number(figure.low)} to {_number(figure.high)})"


def unit_of(name: str) -> str:
    """Unit of a metric by its name."""
    return BY_NAME[name].unit


def _number(value: float) -> str:
    size = abs(value)
    return f"{value:.1f}" if size >= 100 else f"{value:.2f}" if size >= 10 else f"{value:.3f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()
    }


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: float("nan") if v is None else v for k, v in values.items()}
