"""Commands about single pairs, synonyms and documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from visavis.apps.kb.base_commands import tell_version
from visavis.apps.kb.opening import author, open_store, store_option
from visavis.apps.kb.showing import print_json, print_table

if TYPE_CHECKING:
    from visavis.knowledge.base import Pair
    from visavis.knowledge.store import KnowledgeStore

_FIELDS = (
    "question", "answer", "aliases", "topic", "source", "valid_from", "valid_to", "emotion",
    "intensity",
)  # fmt: skip


def _pair_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--question", help="As somebody would ask it."),
            click.option(
                "--answer", help="What is said; - for a question that is known to have none."
            ),
            click.option(
                "--alias", "aliases", multiple=True, help="Another way to ask it; may be repeated."
            ),
            click.option("--topic", help="What it is about."),
            click.option("--source", help="Where the answer comes from; answers cite it."),
            click.option(
                "--valid-from", metavar="DAY", help="First day on which it holds: 2026-01-31."
            ),
            click.option("--valid-to", metavar="DAY", help="Last day on which it holds."),
            click.option("--emotion", help="How the answer is said, such as happy."),
            click.option("--intensity", type=click.FloatRange(0, 1), help="Of the emotion."),
            click.option(
                "--link",
                "links",
                multiple=True,
                metavar="[LABEL=]URL",
                help="Shown beside the answer; may be repeated.",
            ),
            click.option(
                "--phone", "phones", multiple=True, metavar="[LABEL=]NUMBER", help="The same."
            ),
            click.option(
                "--office", "offices", multiple=True, metavar="[LABEL=]PLACE", help="The same."
            ),
        )
    ):
        command = option(command)
    return command


@click.command("add")
@click.argument("base")
@click.option("--id", "identity", help="Made of the question by default.")
@click.option("--language", type=click.Choice(["zh", "en"]), help="By the question's script.")
@_pair_options
@click.option("--sample", is_flag=True, help="Made up for demonstration.")
@click.option("--note", default="", help="What for; shown in the list of versions.")
@store_option
def add_pair(
    base: str, identity: str | None, language: str | None, sample: bool, note: str, **given: Any
) -> None:
    """Add a pair to BASE: at least --question and --answer."""
    from visavis.apps.kb.merging import normal_question
    from visavis.core.errors import InputError

    if given["question"] is None or given["answer"] is None:
        raise click.UsageError("give --question and --answer")
    values = _gather(given) | {"id": identity, "language": language, "sample": sample}
    pair = _make_pair(values)
    with open_store() as store:
        version = next((info.version for info in store.bases() if info.name == base), None)
        normal = normal_question(pair.question)
        for known in store.load(base).pairs:
            same = known.id == pair.id or normal_question(known.question) == normal
            if same and known.language == pair.language:
                raise InputError(
                    f"{base} has this already: {known.id!r} asks {known.question[:60]!r};"
                    " `visavis kb edit` changes it"
                )
        made = store.change(
            base, put=[pair], note=note or f"added {pair.id}", author=author(),
            expect_version=version,
        )  # fmt: skip
    tell_version(base, made)
    click.echo(f"id {pair.id}")


@click.command("edit")
@click.argument("base")
@click.argument("identity", metavar="ID")
@click.option("--language", type=click.Choice(["zh", "en"]), help="Which one, where there are two.")
@_pair_options
@click.option("--note", default="", help="What for; shown in the list of versions.")
@store_option
def edit_pair(base: str, identity: str, language: str | None, note: str, **given: Any) -> None:
    """Change what is named of the pair ID of BASE; the rest stays.

    Aliases replace all that there were, and so do links, telephones and offices, each of their kind.
    An empty text removes: `--topic ""`, `--alias ""`, `--valid-to ""`.
    """
    from visavis.knowledge.exporting.pairs import describe_pair

    with open_store() as store:
        version = next((info.version for info in store.bases() if info.name == base), None)
        before = _find_pair(store, base, identity, language)
        values = describe_pair(before)
        attachments = values.pop("attachments", [])
        changes = _gather(given)
        if not changes:
            raise click.UsageError("name what to change, such as --answer")
        new = changes.pop("attachments", None)
        if new is not None:
            kinds = [kind for kind in ("link", "phone", "office") if given[f"{kind}s"]]
            attachments = [a for a in attachments if a["kind"] not in kinds] + new
        pair = _make_pair(values | changes | {"attachments": attachments})
        made = store.change(
            base, put=[pair], note=note or f"edited {identity}", author=author(),
            expect_version=version,
        )  # fmt: skip
    tell_version(base, made)


@click.command("remove")
@click.argument("base")
@click.argument("identities", nargs=-1, required=True, metavar="ID…")
@click.option("--language", type=click.Choice(["zh", "en"]), help="Only in this one.")
@click.option("--note", default="", help="What for; shown in the list of versions.")
@store_option
def remove_pairs(base: str, identities: tuple[str, ...], language: str | None, note: str) -> None:
    """Take the pairs ID… out of BASE, in all languages; `visavis kb undo` brings them back."""
    from visavis.knowledge.store import UnknownEntry

    with open_store() as store:
        there = [
            (pair.id, pair.language)
            for pair in store.load(base).pairs
            if pair.id in identities and language in (None, pair.language)
        ]
        missing = set(identities) - {identity for identity, _ in there}
        if missing:
            raise UnknownEntry(
                f"{base} has no pair {min(missing)!r}{f' in {language}' if language else ''};"
                " nothing was removed"
            )
        text = note or f"removed {', '.join(identities)}"[:500]
        made = store.change(base, remove=there, note=text, author=author())
    tell_version(base, made)


def _find_pair(store: KnowledgeStore, base: str, identity: str, language: str | None) -> Pair:
    from visavis.knowledge.store import UnknownEntry

    found = [
        pair
        for pair in store.load(base).pairs
        if pair.id == identity and language in (None, pair.language)
    ]
    if not found:
        raise UnknownEntry(
            f"{base} has no pair {identity!r}{f' in {language}' if language else ''}"
        )
    if len(found) > 1:
        raise click.UsageError(f"{base} has {identity!r} in both languages; say --language")
    return found[0]


def _gather(given: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a row for what was given."""
    values = {
        name: list(given[name]) if name == "aliases" else given[name]
        for name in _FIELDS
        if given[name] not in (None, ())
    }
    attachments = [
        {"kind": kind, "value": value, "label": label}
        for kind in ("link", "phone", "office")
        for text in given[f"{kind}s"]
        for label, value in (_split_label(text),)
        if value
    ]
    if any(given[f"{kind}s"] for kind in ("link", "phone", "office")):
        values["attachments"] = attachments
    return values


def _split_label(text: str) -> tuple[str, str]:
    label, sign, value = text.partition("=")
    # An address may hold a sign of its own, and needs no label.
    if not sign or "://" in label:
        return "", text.strip()
    return label.strip(), value.strip()


def _make_pair(values: dict[str, Any]) -> Pair:
    """Check values as those of a file's row are, and make a pair of them."""
    from visavis.core.errors import TextUnusable
    from visavis.knowledge.base import MAX_QUESTION, Pair
    from visavis.knowledge.importing import fields
    from visavis.knowledge.importing.attachments import read_attachments
    from visavis.knowledge.importing.pairs import make_id, normalise_question

    try:
        question = " ".join(fields.read_text(values, "question", MAX_QUESTION).split())
        answer = fields.read_answer(values)
        language = fields.read_language(values, question, answer)
        begin = fields.read_day(values, "valid_from")
        return Pair(
            id=values.get("id") or make_id(language, normalise_question(question)),
            question=question,
            answer=answer,
            language=language,
            topic=" ".join(fields.read_text(values, "topic", 100, needed=False).split()),
            aliases=fields.read_aliases(values, question),
            source=fields.read_text(values, "source", MAX_QUESTION, needed=False),
            sample=bool(values.get("sample")),
            emotion=fields.read_emotion(values),
            intensity=fields.read_intensity(values),
            valid_from=begin,
            valid_to=fields.read_day(values, "valid_to", begin),
            attachments=read_attachments(values),
        )
    except fields.Wrong as error:
        raise TextUnusable(str(error)) from error


@click.command("synonyms")
@click.argument("base")
@click.option("--set", "groups", multiple=True, metavar="A=B=C", help="Words that mean the same; may be repeated. Together they replace all groups.")  # fmt: skip
@click.option("--file", type=click.Path(path_type=Path), help="Such groups, one a line; # begins a remark.")  # fmt: skip
@click.option("--clear", is_flag=True, help="Remove all groups.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
def set_synonyms(
    base: str, groups: tuple[str, ...], file: Path | None, clear: bool, as_json: bool
) -> None:
    """Show the words that mean the same in BASE, or replace them."""
    if clear and (groups or file):
        raise click.UsageError("--clear goes without --set and --file")
    wanted = [_split_group(group) for group in groups]
    if file is not None:
        wanted += [_split_group(line) for line in _read_lines(file)]
    with open_store() as store:
        if wanted or clear or file:
            made = store.set_synonyms(base, wanted, "synonyms", author())
            if not as_json:
                tell_version(base, made)
        found: Sequence[Sequence[str]] = store.load(base).synonyms
    if as_json:
        print_json([list(group) for group in found])
        return
    for group in found:
        click.echo(" = ".join(group))
    if not found:
        click.echo(f"{base} has no synonyms")


def _split_group(text: str) -> list[str]:
    return [word.strip() for word in text.replace("＝", "=").split("=") if word.strip()]


def _read_lines(file: Path) -> list[str]:
    from visavis.knowledge.importing.encodings import decode_text, read_bytes

    lines = (line.strip() for line in decode_text(read_bytes(file), file).text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@click.command("documents")
@click.argument("base")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
def list_documents(base: str, as_json: bool) -> None:
    """List the documents of BASE."""
    with open_store() as store:
        found = [(d, len(store.passages(base, d.id))) for d in store.documents(base)]
    if as_json:
        print_json(
            [
                {"id": d.id, "title": d.title, "language": d.language, "kind": d.kind,
                 "source": d.source, "passages": count}
                for d, count in found
            ]
        )  # fmt: skip
        return
    print_table(
        ("id", "title", "", "kind", "passages"),
        [(d.id, d.title, d.language, d.kind, count) for d, count in found],
        ("passages",),
    )
    if not found:
        click.echo(f"{base} has no documents")


@click.command("remove-document")
@click.argument("base")
@click.argument("identity", metavar="ID")
@store_option
def remove_document(base: str, identity: str) -> None:
    """Take the document ID out of BASE; `visavis kb undo` brings it back."""
    with open_store() as store:
        note = f"removed document {identity}"[:500]
        tell_version(base, store.delete_document(base, identity, note=note, author=author()))
