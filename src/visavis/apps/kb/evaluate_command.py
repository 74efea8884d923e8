"""`visavis kb evaluate`: test questions, and how often the bases answer right, wrong or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from visavis.apps.kb.opening import open_store, reranker_option, store_option
from visavis.apps.kb.showing import print_json, print_table, show_progress

if TYPE_CHECKING:
    from visavis.apps.kb.nearest_question import NearestQuestion
    from visavis.knowledge.base import Base
    from visavis.knowledge.evaluate import Case
    from visavis.knowledge.search import KnowledgeIndex
    from visavis.knowledge.shelf_arrays import Encode

_ENCODERS = ("use", "both")


@click.command("evaluate")
@click.option("--base", "names", multiple=True, help="A base of the store; may be repeated. The shipped samples by default.")  # fmt: skip
@click.option(
    "--questions",
    type=click.Path(path_type=Path),
    help="Test questions, JSON Lines: text, expect (ids, [] for none), language, and if you like kind."
    " Those of the samples by default.",
)
@click.option(
    "--language",
    type=click.Choice(["zh", "en"]),
    help="Only questions in it; it is also that of questions which do not say.",
)
@click.option(
    "--part",
    type=click.Choice(["report", "tune", "all"]),
    default="report",
    show_default=True,
    help="Of the questions; the samples were written with those of tune in view.",
)
@click.option(
    "--encoder",
    default="both",
    show_default=True,
    metavar="use|both|FOLDER",
    help="use: the Universal Sentence Encoder without the second one of each language. A folder (or"
    " model's name, see `visavis models list`) with an exported BERT: the paper's way, in which"
    " the mean of its tokens' vectors goes to the nearest stored wording by cosine.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder of report.json and report.html, with charts and the worst mistakes.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reranker_option
@store_option
def evaluate_bases(
    names: tuple[str, ...],
    questions: Path | None,
    language: Any,
    part: str,
    encoder: str,
    output: Path | None,
    as_json: bool,
    reranker: str,
) -> None:
    """Measure how often bases answer right, wrong, ask back or refuse, on questions of a file.

    Recall@1, MRR, wrong and false answers and refusals, by language and by kind of question.
    """
    from visavis.apps.kb.measuring import ask_all, check_cases, describe
    from visavis.apps.kb.report import COLUMNS, list_rows, write_report

    if names and questions is None:
        raise click.UsageError("give --questions too: a base has no test questions of its own")
    if reranker and encoder not in _ENCODERS:
        raise click.UsageError(f"--reranker goes with --encoder {' or '.join(_ENCODERS)} only")
    cases = [
        case
        for case in _load_cases(questions, language)
        if part in ("all", case.part) and language in (None, case.language)
    ]
    bases = _load_bases(names)
    check_cases(cases, bases)
    if names:
        with open_store() as store:
            from visavis.knowledge.live import encode_stored

            index, way = _make_index(bases, encoder, encode_stored(store), reranker)
    else:
        index, way = _make_index(bases, encoder, None, reranker)
    with show_progress("asking") as advance:
        results = ask_all(index, cases, advance)
    result = describe(results, bases, index, way)
    page = write_report(output, result) if output is not None else None
    if as_json:
        print_json(result)
        return
    click.echo(f"{len(cases)} questions, {way}")
    print_table(
        ("", "kind", "questions", *(head for _, head, _ in COLUMNS)),
        list_rows(result["figures"]),
        ("questions", *(head for _, head, _ in COLUMNS)),
    )
    if page is not None:
        click.echo(f"report    {page}")


def _load_cases(questions: Path | None, language: Any) -> list[Case]:
    from visavis.knowledge.evaluate import load_cases, load_sample_cases

    if questions is not None:
        return load_cases(questions, language)
    return [
        case for one in ("zh", "en") if language in (None, one) for case in load_sample_cases(one)
    ]


def _load_bases(names: Sequence[str]) -> list[Base]:
    from visavis.knowledge.base import load_samples

    if not names:
        return list(load_samples())
    with open_store() as store:
        return [store.load(name) for name in names]


def _make_index(
    bases: Sequence[Base], encoder: str, encode: Encode | None, reranker: str
) -> tuple[KnowledgeIndex | NearestQuestion, str]:
    """Make what is asked, and say in words what it is."""
    from visavis.apps.kb.nearest_question import NearestQuestion
    from visavis.knowledge.live import SECOND, load_reranker, load_second_encoders
    from visavis.knowledge.reranking import RerankedIndex
    from visavis.knowledge.search import KnowledgeIndex
    from visavis.knowledge.vectors import encode_cached
    from visavis.models.sentence_encoder.predictor import SentenceEncoder
    from visavis.models.text_encoder.predictor import TextEncoder

    if encoder not in _ENCODERS:
        network = TextEncoder(encoder)
        way = f"by the nearest question of {encoder} (means over tokens, cosine)"
        return NearestQuestion(bases, network, encode or encode_cached), way
    second = load_second_encoders() if encoder == "both" else {}
    helped = ", ".join(f"{SECOND[language][0]} ({language})" for language in second)
    missing = [SECOND[one][0] for one in SECOND if encoder == "both" and one not in second]
    if missing:
        click.echo(f"without {', '.join(missing)}: `visavis models pull` fetches them", err=True)
    way = "by the Universal Sentence Encoder" + (f" with {helped}" if helped else "")
    if not reranker:
        return KnowledgeIndex(bases, SentenceEncoder(), second=second, encode=encode), way
    model = load_reranker(reranker)
    with show_progress("learning what the reranker's scores mean") as advance:
        index = RerankedIndex(
            bases, SentenceEncoder(), second=second, encode=encode, reranker=model, told=advance
        )
    return index, f"{way}, ordered anew by {reranker}"
