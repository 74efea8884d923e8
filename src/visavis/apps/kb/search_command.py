"""`visavis kb search`: what the bases say to a question, and how sure that is."""

from __future__ import annotations

from typing import Any

import click

from visavis.apps.kb.opening import find_store, given_place, reranker_option, store_option
from visavis.apps.kb.showing import make_plain, print_json, print_table, shorten

_OUTCOMES = {"answer": "answer", "choice": "ask", "hint": "ask", "refusal": "refusal"}


@click.command("search")
@click.argument("question")
@click.option("--base", "bases", multiple=True, help="Only in this one; may be repeated. VISAVIS_BASES by default, else all.")  # fmt: skip
@click.option("--language", type=click.Choice(["zh", "en"]), help="To search in; by the question's script.")  # fmt: skip
@click.option("-k", "count", type=click.IntRange(1, 100), default=5, show_default=True, help="Candidates.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reranker_option
@store_option
def search_bases(
    question: str, bases: tuple[str, ...], language: Any, count: int, as_json: bool, reranker: str
) -> None:
    """Ask the bases QUESTION, without a face: the candidates, and what would be said.

    The outcome is an answer, a question back where it is not sure enough what is meant, or a refusal.
    Passages of documents that come near are listed apart: they are answered from by a persona with a
    language model only (VISAVIS_PERSONA).
    """
    from visavis.apps.assemble import clean_text
    from visavis.apps.settings import load_settings
    from visavis.core import registry
    from visavis.core.errors import ConfigError
    from visavis.core.language import detect_language
    from visavis.core.types import Message
    from visavis.knowledge.evaluate import Case, ask
    from visavis.knowledge.passages import PassageSearch
    from visavis.stages.responders.persona_responder import THRESHOLD

    settings = load_settings()
    question = clean_text(question, settings.max_question, "question")
    place, there = find_store()
    if not there and given_place():
        raise ConfigError(f"there is no knowledge store {place}; `visavis kb import` makes one")
    responder = registry.load("responders", "faq")(
        store=place if there else "",
        only=bases or settings.base_names,
        reranker=reranker or settings.reranker,
    )
    index = responder.prepare()
    own = detect_language(question)
    wanted = language or own
    said = ""
    if wanted == own:
        found = responder.answer([Message("user", question)])
        outcome, said = _OUTCOMES[found.outcome], found.text
    else:
        # The face answers in the language that it is asked in; this is for whoever compares.
        outcome = ask(index, Case(question, wanted, (), "plain", "report")).outcome
    matches = index.search(question, wanted, count) if wanted in index.languages else []
    passages = PassageSearch(responder.knowledge).search_documents(question, wanted, count)
    fusion = index.fusion.get(wanted)
    if as_json:
        print_json(
            {
                "question": question,
                "language": wanted,
                "outcome": outcome,
                "said": said,
                "threshold": fusion and fusion.threshold,
                "hint": fusion and fusion.hint,
                "candidates": [
                    {
                        "base": match.base,
                        "id": match.pair.id,
                        "question": match.pair.question,
                        "answer": match.pair.answer,
                        "source": match.pair.source,
                        "confidence": round(match.confidence, 4),
                        "score": round(match.score, 4),
                    }
                    for match in matches
                ],
                "passage_threshold": THRESHOLD,
                "passages": [
                    {
                        "document": passage.source,
                        "place": passage.place,
                        "text": passage.text,
                        "score": round(passage.score, 4),
                    }
                    for passage in passages
                ],
            }
        )
        return
    limits = f"  (answers from {fusion.threshold:.2f}, asks back from {fusion.hint:.2f})" if fusion else ""  # fmt: skip
    click.echo(f"outcome   {outcome}{limits}")
    if said:
        click.echo(f"said      {make_plain(' '.join(said.split()))}")
    print_table(
        ("confidence", "base", "id", "question", "answer"),
        [
            (
                f"{match.confidence:.3f}",
                match.base,
                match.pair.id,
                shorten(match.pair.question),
                shorten(match.pair.answer),
            )
            for match in matches
        ],
        ("confidence",),
    )
    if not passages:
        return
    click.echo(f"\npassages of documents; a persona (VISAVIS_PERSONA) answers from {THRESHOLD:.2f}")
    print_table(
        ("score", "document", "place", "passage"),
        [
            (
                f"{passage.score:.3f}",
                shorten(passage.source),
                shorten(passage.place),
                shorten(passage.text),
            )
            for passage in passages
        ],
        ("score",),
    )
