"""The report of an evaluation: report.json, and report.html, which stands alone."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from visavis.apps.kb.charts import Chart, Series, draw
from visavis.media.files import finish_or_discard, unwritable

COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("recall_1", "R@1", "of questions inside the base, the right pair is found first"),
    ("recall_3", "R@3", "of inside, it is among the first three"),
    ("mrr", "MRR", "of inside, the mean of one over its rank"),
    ("answered", "right", "of inside, answered, and rightly"),
    ("wrong", "wrong", "of inside, answered with another pair's answer"),
    ("asked", "asked", "of inside, asked back with the right pair among three"),
    ("misled", "misled", "of inside, asked back without it"),
    ("false_refusals", "refused", "of inside, refused"),
    ("false_answers", "false", "of questions outside the base, answered"),
    ("needless", "needless", "of outside, asked back"),
)
"""Key of a figure, its heading and what it is."""

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #777 }
@media (prefers-color-scheme: dark) { :root { --soft: #aaa } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: min(1200px, 94vw) }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }
td.q { overflow-wrap: anywhere; min-width: 12rem }
td.n, th.n { text-align: right; white-space: nowrap }
.wide { overflow-x: auto } .soft { color: var(--soft); font-size: .88rem }
.charts { display: flex; flex-wrap: wrap; gap: 1.5rem } figure { margin: 0; max-width: 520px }
svg { max-width: 100%; height: auto } .legend span { margin-right: 1.2em }
.legend i { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .4em }
"""
_LANGUAGES = {"zh": "Chinese", "en": "English"}


def write_report(folder: Path, result: Mapping[str, Any]) -> Path:
    """Write both files, each whole or not at all; returns the page.

    Args:
        folder: Made where it is missing.
        result: Of `measuring.describe`.

    Raises:
        OutputUnwritable: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    contents = {
        "report.json": json.dumps(result, ensure_ascii=False, indent=1) + "\n",
        "report.html": write_page(result),
    }
    for name, content in contents.items():
        with finish_or_discard(folder / name) as part:
            part.write_text(content, encoding="utf-8")
    return folder / "report.html"


def list_rows(figures: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[list[str]]:
    """Return the table of figures as texts: language, kind, questions, then `COLUMNS`."""
    return [
        [language, kind, str(int(row["inside"] + row["outside"]))]
        + [say(row[key]) for key, _, _ in COLUMNS]
        for language, kinds in figures.items()
        for kind, row in kinds.items()
    ]


def say(share: float | None) -> str:
    """Write a share with three decimals; – where there was nothing to measure."""
    return "–" if share is None else f"{share:.3f}"


def draw_charts(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Draw the three charts; returns each with what is to be seen."""
    found: Mapping[str, Mapping[str, Any]] = result["languages"]
    names = {language: _LANGUAGES[language] for language in found}
    most = max((b["count"] for one in found.values() for b in one["reliability"]), default=1)
    reliability = [
        Series(
            f"{names[language]} (error {say(one['calibration_error'])})",
            [(b["confidence"], b["right"]) for b in one["reliability"]],
            [3 + 9 * (b["count"] / most) ** 0.5 for b in one["reliability"]],
        )
        for language, one in found.items()
    ]
    told = [c for one in found.values() for c in one["chosen"] if _is_whole(c)]
    reach = max([0.1, *(1.3 * max(c["false_refusals"], c["false_answers"]) for c in told)])
    limit = next(end for end in (0.1, 0.25, 0.5, 1.0) if end >= min(reach, 1.0))
    tradeoff = [
        Series(
            names[language],
            [(c["false_refusals"], c["false_answers"]) for c in one["thresholds"] if _is_whole(c)],
            marks=[
                (c["false_refusals"], c["false_answers"], f"{what} ≥ {c['threshold']:.2f}")
                for c, what in zip(one["chosen"], ("answers", "asks back"), strict=False)
                if _is_whole(c)
            ],
        )
        for language, one in found.items()
    ]
    recall = [
        Series(
            names[language],
            [(k, share) for k, share in enumerate(one["recall_at"], 1) if share is not None],
            [4] * len(one["recall_at"]),
        )
        for language, one in found.items()
    ]
    shares = [share for one in recall for _, share in one.points]
    lowest = next(end for end in (0.9, 0.75, 0.5, 0.0) if end <= min(shares, default=0.0))
    deepest = max((len(one["recall_at"]) for one in found.values()), default=10)
    return [
        (
            draw(
                Chart("Reliability of the confidence", "confidence", "share that is right",
                      reliability, diagonal=True)
            ),
            "Reliability of the confidence: on the dashed line it means what it says. Dots are as"
            " large as questions are many; above the line it is too modest, below too sure. The"
            " error is the mean distance from the line.",
        ),
        (
            draw(
                Chart("False answers against false refusals", "false refusals", "false answers",
                      tradeoff, (0, limit), (0, limit), percent=(True, True))
            ),
            "What other thresholds would do: false answers to questions outside the base against"
            " questions inside that are not answered. Marked are the two that were learnt from the"
            " base: from where is answered, and from where is asked back at least.",
        ),
        (
            draw(
                Chart("Recall@k", "k", "recall", recall, (1, deepest), (lowest, 1),
                      steps=deepest - 1)
            ),
            "Recall@k: how often the right pair is among the first k.",
        ),
    ]  # fmt: skip


def _is_whole(choice: Mapping[str, Any]) -> bool:
    return choice["false_refusals"] is not None and choice["false_answers"] is not None


def write_page(result: Mapping[str, Any]) -> str:
    """Write the page."""
    bases = "".join(
        f"<li>{_text(b['name'])}: {b['pairs']} pairs, {b['gaps']} known gaps"
        f" <span class=soft>{_text(b['digest'][:16])}</span>"
        for b in result["bases"]
    )
    limits = "".join(
        f"<li>{_LANGUAGES[language]}: answers from a confidence of {say(one['threshold'])}, asks back"
        f" from {say(one['hint'])}"
        for language, one in result["languages"].items()
    )
    heads = "".join(f"<th class=n title='{_text(what)}'>{_text(head)}" for _, head, what in COLUMNS)
    rows = "".join(
        f"<tr><td>{_text(row[0])}<td>{_text(row[1])}" + "".join(f"<td class=n>{c}" for c in row[2:])
        for row in list_rows(result["figures"])
    )
    meanings = "".join(f"<li>{_text(head)}: {_text(what)}" for _, head, what in COLUMNS)
    charts = "".join(
        f"<figure>{picture}<figcaption class=soft>{_text(what)}</figcaption></figure>"
        for picture, what in draw_charts(result)
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>visavis kb evaluate</title><style>{_STYLE}</style><body>"
        "<h1>How well the bases answer</h1>"
        f"<p>{result['questions']} test questions, {_text(result['way'])}.</p>"
        f"<ul>{bases}{limits}</ul>"
        "<h2>Figures</h2><div class=wide><table><tr><th>language<th>kind<th class=n>questions"
        f"{heads}{rows}</table></div><details class=soft><summary>What they mean</summary>"
        f"<ul>{meanings}</ul></details>"
        f"<h2>Charts</h2><div class=charts>{charts}</div>"
        f"{_write_mistakes(result['mistakes'])}</body></html>\n"
    )


def _write_mistakes(mistakes: Sequence[Mapping[str, Any]]) -> str:
    if not mistakes:
        return "<h2>Worst mistakes</h2><p>None.</p>"
    rows = "".join(
        f"<tr><td>{m['language']}<td>{_text(m['kind'])}<td class=q>{_text(m['question'])}"
        f"<td>{m['outcome']}<td class=n>{m['confidence']:.2f}<td class=q>{_text(m['found_question'])}"
        f"<td class=q>{_text(m['expected_question']) or '<i>not in the base</i>'}"
        f"<td class=n>{m['rank'] or '–'}"
        for m in mistakes
    )
    return (
        "<h2>Worst mistakes</h2><p class=soft>Wrong answers, the surest first; then what was refused"
        " or asked back without the right pair.</p><div class=wide><table><tr><th><th>kind"
        "<th>question<th>outcome<th class=n>confidence<th>found first<th>expected<th class=n>its rank"
        f"{rows}</table></div>"
    )


def _text(text: str) -> str:
    return html.escape(str(text), quote=True)
