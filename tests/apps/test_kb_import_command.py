"""`visavis kb import`: every kind of file, dry run, what is wrong in it, and nothing half."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest
from kb_runner import SENTENCES, Kb, kb, write

from visavis.apps.kb import import_command
from visavis.apps.kb.stopping import stop_between_steps
from visavis.knowledge.live import encode_stored
from visavis.knowledge.store import KnowledgeStore, database, wording_text

__all__ = ["kb", "write"]

Write = Callable[[str, str | bytes], Path]

TABLE = (
    "问题,答案,主题\n"
    "居住证怎么办理,带身份证到派出所办理。,户政\n"
    "护照怎么办理,到出入境大厅办理。,出入境\n"
    ",没有问题,户政\n"
    "居住证怎么办理？,带身份证到派出所办理。,户政\n"
)


def make_pdf(lines: list[str]) -> bytes:
    """Write a page of Latin text."""
    drawn = "".join(f"1 0 0 1 72 {700 - 20 * n} Tm ({line}) Tj " for n, line in enumerate(lines))
    stream = f"BT /F1 12 Tf {drawn}ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    made, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(made)
    made += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % p for p in places)
    return made + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % start


def test_a_gb18030_table_comes_in_and_wrong_rows_are_told(kb: Kb, write: Write) -> None:
    file = write("gov.csv", TABLE.encode("gb18030"))
    result = kb("import", "gov", file, "--no-vectors")
    assert "GB18030" in result.stdout
    assert "  row 4: the question is empty" in result.stdout
    assert "duplicate: row 5: as row 2" in result.stdout
    assert "gov: 2 added, 0 changed, 0 unchanged, 0 removed (version 1)" in result.stdout
    assert "warning: 1 rows are wrong and left out" in result.stderr
    assert kb.questions("gov") == ["居住证怎么办理", "护照怎么办理"]


TRADITIONAL = "問題,答案\n護照怎麼辦理,到櫃檯辦理。\n"


@pytest.mark.parametrize(
    ("encoding", "text", "said"),
    [
        ("utf-8-sig", TABLE, "UTF-8"),
        ("utf-16", TABLE, "UTF-16"),
        ("utf-16-le", TABLE, "UTF-16"),
        ("utf-16-be", TABLE, "UTF-16"),
        ("gb18030", TABLE, "GB18030"),
        ("big5", TRADITIONAL, "Big5"),
    ],
)
def test_a_table_is_read_in_whatever_encoding_it_was_saved(
    kb: Kb, write: Write, encoding: str, text: str, said: str
) -> None:
    result = kb("import", "gov", write("gov.csv", text.encode(encoding)), "--no-vectors")
    assert said in result.stdout
    assert kb.questions("gov")[-1] == ("護照怎麼辦理" if encoding == "big5" else "护照怎么办理")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("nul.csv", b"question,answer\nHow\x00 is it?,Fi\x00ne.\n", "not text in UTF-8"),
        ("zeros.csv", bytes(1_000_000), "is empty"),
        ("latin.csv", "question,answer\nWo ist das B\xfcro?,H\xe4\n".encode("latin-1"), "not text"),
        ("line.csv", b"x" * 10_000_000, "more than 131,072 characters"),
        ("line.json", b'[{"question": "' + b"x" * 10_000_000 + b'"}]', "at most 500"),
        ("nest.json", b"[" * 10_000_000, "nested too deep"),
        ("null.json", b"null", ""),
        ("zeros.xlsx", bytes(100_000), "is empty"),
        ("html.xlsx", b"<html><table><tr><td>question</td></tr></table></html>", ""),
        ("zeros.pdf", bytes(100_000), "does not begin as a PDF"),
        ("empty.csv", b"", "is empty"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_told(
    kb: Kb, write: Write, name: str, content: bytes, what: str
) -> None:
    result = kb("import", "gov", write(name, content), code=2)
    assert what in result.output
    assert "Traceback" not in result.output
    assert len(result.output) < 2_000, "a file is not said back at length"
    assert not kb.place.exists()


def test_a_dry_run_says_what_would_be_and_changes_nothing(kb: Kb, write: Write) -> None:
    file = write("gov.csv", TABLE)
    result = kb("import", "gov", file, "--dry-run")
    assert "nothing was written; to gov would come: 2 added" in result.stdout
    assert not kb.place.exists(), "not even the store is made"

    kb("import", "gov", file, "--no-vectors")
    newer = write("new.csv", "问题,答案\n护照怎么办理,网上预约。\n社保卡丢了怎么办,电话挂失。\n")
    told = kb.load("import", "gov", newer, "--dry-run", "--replace")
    assert [told[name] for name in ("added", "changed", "unchanged", "removed")] == [1, 1, 0, 1]
    assert kb.bases() == {"gov": 1}
    assert kb.questions("gov") == ["居住证怎么办理", "护照怎么办理"]

    kb("import", "gov", newer, "--replace", "--no-vectors")
    assert kb.questions("gov") == ["护照怎么办理", "社保卡丢了怎么办"]
    kb("undo", "gov")
    assert kb.questions("gov") == ["居住证怎么办理", "护照怎么办理"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "md", "xlsx"])
def test_pairs_come_from_every_kind_of_table(kb: Kb, tmp_path: Path, ending: str) -> None:
    rows = [("How do I renew a passport?", "Book a visit online."), ("Where is it?", "Room 3.")]
    file = tmp_path / f"pairs.{ending}"
    if ending == "xlsx":
        book = openpyxl.Workbook()
        for row in [("question", "answer"), *rows]:
            book.active.append(row)
        book.save(file)
    elif ending in ("csv", "tsv"):
        sign = "," if ending == "csv" else "\t"
        file.write_text("\n".join(sign.join(row) for row in [("question", "answer"), *rows]))
    elif ending == "md":
        file.write_text("\n\n".join(f"## {question}\n{answer}" for question, answer in rows))
    else:
        objects = [json.dumps({"question": q, "answer": a}) for q, a in rows]
        text = "\n".join(objects) if ending == "jsonl" else f"[{','.join(objects)}]"
        file.write_text(text)
    kb("import", "help", file, "--no-vectors")
    assert kb.questions("help") == [question for question, _ in rows]


def test_documents_come_by_their_endings(kb: Kb, write: Write, tmp_path: Path) -> None:
    book = docx.Document()
    book.add_heading("Fees", 1)
    book.add_paragraph("A passport costs one hundred and twenty yuan, paid by card or in cash.")
    book.save(tmp_path / "fees.docx")
    files = [
        write("visit.pdf", make_pdf(["The hall opens at nine.", "Bring your identity card."])),
        tmp_path / "fees.docx",
        write("web.html", "<html><title>Parking</title><body><p>Park behind the hall.</p></body>"),
        write("note.txt", "The lift is on the left side of the entrance hall.\n"),
        write("story.md", "# Story\n\nThe hall was built a hundred years ago.\n"),
    ]
    result = kb("import", "docs", *files[:4], "--no-vectors")
    assert "docs: 4 added" in result.stdout
    kb("import", "docs", files[4], "--as", "document", "--no-vectors")
    found = {row["id"]: row for row in kb.load("documents", "docs")}
    kinds = {name: row["kind"] for name, row in found.items()}
    assert kinds == {
        "visit.pdf": "pdf", "fees.docx": "docx", "web.html": "html", "note.txt": "text",
        "story.md": "markdown",
    }  # fmt: skip
    assert found["web.html"]["title"] == "Parking"
    with KnowledgeStore(kb.place) as store:
        text = " ".join(p.text for p in store.passages("docs", "visit.pdf"))
    assert text == "The hall opens at nine. Bring your identity card."

    again = kb("import", "docs", *files[:4], "--no-vectors")
    assert "0 added, 0 changed, 4 unchanged" in again.stdout
    kb("remove-document", "docs", "note.txt")
    assert "note.txt" not in {row["id"] for row in kb.load("documents", "docs")}
    kb("remove-document", "docs", "note.txt", code=2)
    kb("undo", "docs")
    assert "note.txt" in kb("documents", "docs").stdout


def test_a_broken_workbook_stops_all_before_anything_is_written(kb: Kb, write: Write) -> None:
    broken = write("broken.xlsx", b"PK\x03\x04" + bytes(200))
    result = kb("import", "gov", write("gov.csv", TABLE), broken, code=2)
    assert "broken.xlsx is a broken workbook" in result.stderr
    assert not kb.place.exists()
    kb("import", "gov", write("what.exe", "MZ"), code=2)
    kb("import", "gov", "not-there.csv", code=2)


def test_strict_and_replace_refuse_files_with_wrong_rows(kb: Kb, write: Write) -> None:
    file = write("gov.csv", TABLE)
    assert "--strict" in kb("import", "gov", file, "--strict", code=2).stderr
    assert not kb.place.exists()
    kb("import", "gov", write("old.csv", "问题,答案\n旧问题怎么办,旧答案。\n"), "--no-vectors")
    assert "correct them first" in kb("import", "gov", file, "--replace", code=2).stderr
    assert kb.bases() == {"gov": 1}
    nothing = kb("import", "gov", write("bad.csv", "问题,答案\n,x\n"), code=2)
    assert "row 2: the question is empty" in nothing.stdout
    assert "gives no pair" in nothing.stderr


def test_replace_with_a_language_spares_the_other(kb: Kb, write: Write) -> None:
    kb("import", "b", write("zh.csv", "问题,答案\n办护照,去大厅。\n"), "--no-vectors")
    kb("import", "b", write("en.csv", "question,answer\nold one,yes\n"), "--no-vectors")
    newer = write("new.csv", "question,answer\nnew one,no\n")
    kb("import", "b", newer, "--replace", "--language", "en", "--no-vectors")
    assert kb.questions("b") == ["办护照", "new one"]


def test_a_question_without_an_id_keeps_the_one_that_it_has(kb: Kb, write: Write) -> None:
    kb("create", "b")
    kb("add", "b", "--id", "where", "--question", "Where is it?", "--answer", "Room 3.")
    same = kb.load("import", "b", write("a.csv", "question,answer\nwhere is it,Room 3.\n"))
    assert (same["added"], same["unchanged"]) == (0, 1)
    assert same["files"][0]["duplicates"][0]["first"] == "pair 'where' of the base"
    kb("import", "b", write("a.csv", "question,answer\nwhere is it,Room 4.\n"), "--no-vectors")
    pairs = kb.load("show", "b")["pairs"]
    assert [(pair["id"], pair["answer"]) for pair in pairs] == [("where", "Room 4.")]
    named = write("c.csv", "id,question,answer\nplace,where is it,Room 5.\nfee,what fee,None.\n")
    other = kb("import", "b", named, "--no-vectors")
    assert "the base asks it under the id 'where'" in other.stdout
    assert "1 added" in other.stdout


def test_two_files_that_contradict_each_other_are_told(kb: Kb, write: Write) -> None:
    one = write("one.csv", "question,answer\nWhat is the fee?,Ten.\nWhere?,Here.\n")
    two = write("two.csv", "question,answer\nwhat is the fee,Twelve.\nwhere,Here.\n")
    found = kb.load("import", "b", one, two, "--no-vectors")
    problems = [p["what"] for p in found["files"][1]["problems"] if p["kind"] == "error"]
    assert problems == ["one.csv asks it too and answers otherwise; keep one of the two"]
    assert [d["first"] for d in found["files"][1]["duplicates"]] == ["one.csv"]
    assert kb.questions("b") == ["What is the fee?", "Where?"]


def test_vectors_are_there_after_an_import(kb: Kb, write: Write) -> None:
    text = "question,aliases,answer\nWhere is it?,how do I find it,Room 3.\n"
    kb("import", "b", write("a.csv", text))
    encoder = SENTENCES()
    with KnowledgeStore(kb.place) as store:
        assert store.count_missing(encoder.fingerprint) == 0
        found = store.vectors(encoder.fingerprint, ["Room 3."])["Room 3."]
        assert found @ encoder.encode(["Room 3."])[0] == pytest.approx(1, abs=1e-3)
        kb("import", "b", write("b.csv", "question,answer\nWhat fee?,Ten.\n"), "--no-vectors")
        assert store.count_missing(encoder.fingerprint) == 2
        kb("synonyms", "b", "--set", "fee=charge=cost")
        kb("import", "b", write("c.csv", "question,answer\nWhat does it cost?,Ten.\n"))
        assert store.count_missing(encoder.fingerprint) == 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(encoder), "encode", None)  # whatever is asked for is there
            written = wording_text("What does it cost?").replace("cost", "fee")
            assert encode_stored(store)(encoder, [written]).shape == (1, 512)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_writing_leaves_no_base(
    kb: Kb, write: Write, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    rows = "".join(f"question {n} of many,answer {n}\n" for n in range(3_000))
    file = write("many.csv", f"question,answer\n{rows}")
    seen: list[int] = []
    change = KnowledgeStore.change

    def press(store: KnowledgeStore, name: str, **options: Any) -> object:
        def advance(done: int, total: int) -> None:
            seen.append(done)
            os.kill(os.getpid(), number)

        return change(store, name, **{**options, "progress": advance})

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(KnowledgeStore, "change", press)
        result = kb("import", "many", file, "--no-vectors", code=130)
    assert "stopped" in result.stderr
    assert 0 < seen[-1] < 3_000
    assert kb.bases() == {}
    assert signal.getsignal(number) is before
    kb("import", "many", file, "--no-vectors")
    assert len(kb.questions("many")) == 3_000


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_on_a_terminal_progress_is_shown_and_ctrl_c_ends_it(kb: Kb, write: Write) -> None:
    import pty  # of POSIX alone

    rows = "".join(f"question {n} of many,answer {n}\n" for n in range(20_000))
    file = write("many.csv", f"question,answer\n{rows}")
    ours, theirs = pty.openpty()
    command = [
        sys.executable, "-c", "from visavis.apps.cli import main; main()", "kb", "--store",
        str(kb.place), "import", "many", str(file), "--no-vectors",
    ]  # fmt: skip
    # In a session of its own, as a terminal's programs are.
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown, pressed = b"", False
    with contextlib.suppress(OSError):  # its end closes the terminal
        while part := os.read(ours, 65_536):
            shown += part
            if not pressed and re.search(rb"writing.*[1-9]000/20000", shown):
                process.send_signal(signal.SIGINT)
                pressed = True
    os.close(ours)
    assert process.wait(timeout=60) == 130, shown[-2_000:]
    assert re.search(rb"reading.*[1-9]\d*/\?", shown)
    assert b"stopped" in shown
    assert b"Traceback" not in shown
    assert kb.bases() == {}


def test_pressed_twice_it_stops_at_once() -> None:
    with stop_between_steps() as stopped:
        signal.raise_signal(signal.SIGINT)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_stopped_when_all_is_written_makes_no_vectors(
    kb: Kb, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = KnowledgeStore.change

    def press(store: KnowledgeStore, name: str, **options: Any) -> object:
        made = change(store, name, **options)
        os.kill(os.getpid(), signal.SIGINT)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(KnowledgeStore, "change", press)
        result = kb("import", "gov", write("gov.csv", TABLE), code=130)
    assert "everything is in the base" in result.stderr
    assert len(kb.questions("gov")) == 2


def test_stopped_while_making_vectors_keeps_the_pairs(
    kb: Kb, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: object, texts: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(predictor_class(), "encode", stop)
        result = kb("import", "gov", write("gov.csv", TABLE), code=130)
    assert "everything is in the base" in result.stderr
    assert len(kb.questions("gov")) == 2
    kb("import", "gov", write("gov.csv", TABLE))
    with KnowledgeStore(kb.place) as store:
        assert store.count_missing(SENTENCES().fingerprint) == 0


def predictor_class() -> type:
    return type(SENTENCES())


def test_a_locked_store_is_told_and_nothing_written(
    kb: Kb, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb("create", "gov")
    monkeypatch.setattr(database, "BUSY", 0.1)
    with KnowledgeStore(kb.place) as holder, holder.writing():
        result = kb("import", "gov", write("gov.csv", TABLE), code=5)
    assert result.stderr.startswith("error: the knowledge store")
    assert "database is locked" in result.stderr
    assert kb.bases() == {"gov": 0}


def test_a_base_that_changed_meanwhile_is_not_overwritten(
    kb: Kb, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb("create", "gov")
    look = import_command._look

    def look_and_change(*args: object) -> object:
        seen = look(*args)  # type: ignore[arg-type]
        kb("add", "gov", "--question", "meanwhile?", "--answer", "Yes.")
        return seen

    monkeypatch.setattr(import_command, "_look", look_and_change)
    result = kb("import", "gov", write("gov.csv", TABLE), code=5)
    assert "is at version 1, not 0" in result.stderr
    assert kb.questions("gov") == ["meanwhile?"]


def test_the_first_answers_end_the_samples_and_that_is_said(kb: Kb, write: Write) -> None:
    said = "the shipped samples give no more answers"
    gap = write("gap.csv", "question,answer\nWho painted it?,-\n")
    assert said not in kb("import", "docs", gap, "--no-vectors").stderr
    first = write("first.csv", "question,answer\nWhere is it?,Room 3.\n")
    assert said in kb("import", "help", first, "--dry-run").stderr
    assert said in kb("import", "help", first, "--no-vectors").stderr
    assert said not in kb("import", "help", first, "--no-vectors").stderr
    second = write("second.csv", "question,answer\nWhat fee?,Ten.\n")
    assert said not in kb("import", "more", second, "--no-vectors").stderr


def test_a_first_document_ends_the_samples_too(kb: Kb, write: Write) -> None:
    story = write("story.txt", "The hall was built a hundred years ago.\n")
    said = "the shipped samples give no more answers"
    assert said in kb("import", "docs", story, "--no-vectors").stderr
    pair = write("first.csv", "question,answer\nWhere is it?,Room 3.\n")
    assert said not in kb("import", "docs", pair, "--no-vectors").stderr


def test_many_problems_are_cut_short_on_a_terminal_and_whole_in_json(kb: Kb, write: Write) -> None:
    rows = "".join(f"question {n},\n" for n in range(40))
    file = write("a.csv", f"question,answer\ngood one,yes\n{rows}")
    result = kb("import", "b", file, "--dry-run")
    assert "… and 20 more; --json lists all" in result.stdout
    assert len(kb.load("import", "b", file, "--dry-run")["files"][0]["problems"]) == 40
