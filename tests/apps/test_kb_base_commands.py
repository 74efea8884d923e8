"""`visavis kb`: bases, pairs, versions, synonyms, export."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from kb_runner import Kb, kb, write

from visavis.apps import cli
from visavis.knowledge.base import Attachment, Pair
from visavis.knowledge.store import KnowledgeStore

__all__ = ["kb", "write"]

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def filled(kb: Kb) -> Kb:
    with KnowledgeStore(kb.place) as store:
        store.create("gov")
    kb(
        "add", "gov", "--id", "passport", "--question", "How do I renew my passport?",
        "--answer", "Book a visit.", "--alias", "passport renewal", "--topic", "travel",
        "--source", "Passport Act", "--valid-from", "2026-01-01", "--valid-to", "2026-12-31",
        "--link", "Booking=https://example.org/?a=b", "--link", "https://example.org/c?d=e",
        "--phone", "Hotline=12345", "--office", "Main hall, room 3",
    )  # fmt: skip
    kb("add", "gov", "--id", "passport", "--question", "护照怎么换发", "--answer", "网上预约。")
    return kb


def test_no_store_is_told_and_not_made(kb: Kb) -> None:
    assert "shipped samples are answered from" in kb("list").stdout
    assert kb.load("list")["bases"] == []
    result = kb("show", "gov", code=4)
    assert "there is no knowledge store" in result.stderr
    assert not kb.place.exists()


def test_the_place_comes_from_the_option_else_the_environment_else_the_user(
    kb: Kb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(cli.main, ["kb", *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    run("create", "own")
    assert (tmp_path / "data" / "visavis" / "knowledge.db").exists()
    monkeypatch.setenv("VISAVIS_KNOWLEDGE", str(tmp_path / "set.db"))
    run("create", "mine")
    assert json.loads(run("list", "--json"))["bases"][0]["name"] == "mine"
    run("create", "other", "--store", str(kb.place))
    assert kb.bases() == {"other": 0}
    kb("create", "third", "--store", tmp_path / "set.db")
    assert kb.bases() == {"other": 0}, "the command's own option goes before the group's"


def test_no_database_and_an_unreachable_server_are_told(kb: Kb, write: Write) -> None:
    kb.place.write_bytes(b"no database" * 100)
    assert "cannot be used as a knowledge store" in kb("list", code=4).stderr
    server = "postgresql://me:secret@127.0.0.1:1/kb"
    result = CliRunner().invoke(cli.main, ["kb", "list", "--store", server])
    assert result.exit_code == 5
    assert "does not answer" in result.stderr
    assert "secret" not in result.output


def test_a_pair_is_kept_with_all_that_was_said(filled: Kb) -> None:
    with KnowledgeStore(filled.place) as store:
        pair = store.get("gov", "passport", "en")
    assert pair.aliases == ("passport renewal",)
    assert (str(pair.valid_from), str(pair.valid_to)) == ("2026-01-01", "2026-12-31")
    assert pair.attachments == (
        Attachment("link", "https://example.org/?a=b", "Booking"),
        Attachment("link", "https://example.org/c?d=e"),
        Attachment("phone", "12345", "Hotline"),
        Attachment("office", "Main hall, room 3"),
    )
    shown = filled("show", "gov", "--id", "passport").stdout
    assert "link: Booking https://example.org/?a=b" in shown
    assert "网上预约。" in shown
    assert "Book a visit." in filled("show", "gov", "--topic", "travel").stdout
    assert "网上预约" not in filled("show", "gov", "--language", "en").stdout
    assert "1 of 2 pairs" in filled("show", "gov", "--limit", 1).stdout
    listed = filled.load("list")["bases"][0]
    assert (listed["pairs"], listed["languages"], listed["version"]) == (2, ["zh", "en"], 2)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--question", "  ", "--answer", "x"], "question is empty"),
        (["--question", "?", "--answer", "x"], "no word"),
        (["--question", "a b", "--answer", ""], "answer is empty"),
        (["--question", "a b", "--answer", "x", "--link", "ftp://x"], "https://"),
        (["--question", "a b", "--answer", "x", "--valid-from", "1/2/2026"], "2026-01-31"),
        (["--question", "a b", "--answer", "x", "--emotion", "bored"], "bored"),
        (["--question", "a b", "--answer", "x" * 5000], "5,000 characters"),
        (["--question", "a b", "--answer", "x", "--id", "A B"], "the id is not made of"),
        (["--question", "How do I renew my passport", "--answer", "x"], "kb edit"),
        (["--answer", "x"], "--question"),
    ],
)
def test_a_pair_that_cannot_be_is_refused(filled: Kb, words: list[str], what: str) -> None:
    assert what in filled("add", "gov", *words, code=2).stderr
    assert filled.bases() == {"gov": 2}


def test_a_known_gap_is_added_with_a_dash(filled: Kb) -> None:
    filled("add", "gov", "--question", "Can I vote from abroad?", "--answer", "-")
    assert filled.load("list")["bases"][0]["gaps"] == 1
    assert "a known gap" in filled("show", "gov").stdout


def test_editing_changes_what_is_named_and_nothing_else(filled: Kb) -> None:
    assert "say --language" in filled("edit", "gov", "passport", "--topic", "x", code=2).stderr
    with KnowledgeStore(filled.place) as store:
        before = store.get("gov", "passport", "en")
        filled(
            "edit", "gov", "passport", "--language", "en", "--answer", "Come by.", "--alias", "",
            "--valid-to", "", "--phone", "54321",
        )  # fmt: skip
        after = store.get("gov", "passport", "en")
        assert (after.answer, after.aliases, after.valid_to) == ("Come by.", (), None)
        assert after.valid_from == before.valid_from
        assert after.source == "Passport Act"
        assert [a.value for a in after.attachments] == [
            "https://example.org/?a=b", "https://example.org/c?d=e", "Main hall, room 3", "54321",
        ]  # fmt: skip
        filled("undo", "gov")
        assert store.get("gov", "passport", "en") == before
    assert "name what to change" in filled("edit", "gov", "passport", "--language", "zh", code=2).stderr  # fmt: skip
    same = filled("edit", "gov", "passport", "--language", "zh", "--answer", "网上预约。")
    assert "nothing differs" in same.stdout
    filled("edit", "gov", "nothing", "--answer", "x", code=2)


def test_removing_goes_by_language_and_comes_back(filled: Kb) -> None:
    filled("remove", "gov", "passport", "--language", "zh")
    assert filled.questions("gov") == ["How do I renew my passport?"]
    result = filled("remove", "gov", "passport", "nothing", code=2)
    assert "no pair 'nothing'" in result.stderr
    assert filled.questions("gov") == ["How do I renew my passport?"]
    filled("undo", "gov")
    filled("remove", "gov", "passport")
    assert filled.questions("gov") == []


def test_versions_are_listed_taken_back_and_restored(filled: Kb) -> None:
    filled("edit", "gov", "passport", "--language", "zh", "--answer", "到大厅。", "--note", "moved")
    listed = filled.load("versions", "gov")
    assert [(v["version"], v["note"]) for v in listed] == [
        (3, "moved"), (2, "added passport"), (1, "added passport"),
    ]  # fmt: skip
    assert "undo of version 3" in filled("undo", "gov").stdout
    filled("restore", "gov", 1)
    assert filled.questions("gov") == ["How do I renew my passport?"]
    filled("restore", "gov", 0)
    assert filled.questions("gov") == []
    assert filled.load("versions", "gov")[2]["undoes"] == 3
    filled("restore", "gov", 99, code=2)
    assert len(filled.load("versions", "gov", "--limit", 2)) == 2


def test_a_base_is_renamed_and_deleted_only_when_meant(filled: Kb) -> None:
    filled("rename", "gov", "city", "--title", "City hall")
    assert filled.load("list")["bases"][0]["title"] == "City hall"
    filled("delete", "city", code=130, answer="n\n")
    assert filled.bases() == {"city": 2}
    filled("delete", "city", "--yes")
    assert filled.bases() == {}
    assert "there is no base 'city'" in filled("delete", "city", "--yes", code=2).stderr
    filled("create", "Bad Name", code=2)


def test_synonyms_are_set_from_words_and_files(filled: Kb, write: Write) -> None:
    filled("synonyms", "gov", "--set", "passport=travel document", "--set", "护照=旅行证件")
    assert filled.load("synonyms", "gov") == [["passport", "travel document"], ["护照", "旅行证件"]]
    file = write("words.txt", "# cards\n居住证=暂住证=居住卡\n\n".encode("gb18030"))
    filled("synonyms", "gov", "--file", file)
    assert filled("synonyms", "gov").stdout == "居住证 = 暂住证 = 居住卡\n"
    filled("synonyms", "gov", "--set", "alone", code=2)
    filled("synonyms", "gov", "--clear")
    assert filled.load("synonyms", "gov") == []
    filled("undo", "gov")
    assert len(filled.load("synonyms", "gov")) == 1


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "xlsx", "md"])
def test_what_is_exported_comes_back_the_same(filled: Kb, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"out.{ending}"
    filled("export", "gov", file)
    assert "exists" in filled("export", "gov", file, code=2).stderr
    filled("export", "gov", file, "--overwrite")
    filled("import", "copy", file, "--no-vectors")
    with KnowledgeStore(filled.place) as store:
        assert store.load("copy").pairs == store.load("gov").pairs
    again = filled("import", "copy", file, "--no-vectors")
    assert "0 added, 0 changed, 2 unchanged" in again.stdout


def test_export_tells_what_it_cannot_write(filled: Kb, tmp_path: Path) -> None:
    filled("export", "gov", tmp_path / "out.exe", code=2)
    filled("export", "gov", tmp_path / "none" / "out.csv", code=2)
    filled("create", "empty")
    filled("export", "empty", tmp_path / "out.csv", code=2)
    filled("export", "gov", tmp_path / "zh.jsonl", "--language", "zh")
    assert len((tmp_path / "zh.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_what_looks_like_markup_is_shown_as_it_is(filled: Kb) -> None:
    with KnowledgeStore(filled.place) as store:
        store.change("gov", put=[Pair("esc", "clear \x1b[2J it?", "Yes \x1b[31m.", "en")])
    assert "\x1b" not in filled("show", "gov").stdout + filled("show", "gov", "--id", "esc").stdout
    filled("add", "gov", "--question", "[bold]fee[/bold]?", "--answer", "[red]Ten[/]")
    shown = filled("show", "gov").stdout
    assert "[bold]fee[/bold]?" in shown
    assert "[red]Ten[/]" in shown
