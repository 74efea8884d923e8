import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from visavis.core.errors import FileUnreadable
from visavis.core.types import EMOTIONS
from visavis.knowledge.base import MAX_ANSWER, MAX_QUESTION, load_base, samples_folder
from visavis.knowledge.importing.pairs import (
    ENDINGS,
    Imported,
    make_id,
    normalise_question,
    read_pairs,
)


def read(folder: Path, name: str, content: object, **options: Any) -> Imported:
    path = folder / name
    if not isinstance(content, str | bytes):
        content = json.dumps(content, ensure_ascii=False)
    # Half characters can only come by JSON's escapes.
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_pairs(path, **options)


def asked(imported: Imported) -> list[tuple[str, str]]:
    return [(p.question, p.answer) for p in imported.pairs]


def places(imported: Imported, kind: str = "error") -> list[str]:
    return [p.place for p in imported.problems if p.kind == kind]


def row(**values: object) -> list[dict[str, object]]:
    return [{"question": "how?", "answer": "so", **values}]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_base_of_ours_is_read_as_load_base_reads_it(language: str) -> None:
    path = samples_folder() / f"government_{language}.jsonl"
    imported = read_pairs(path)
    assert imported.pairs == load_base(path).pairs
    assert (imported.problems, imported.duplicates) == ((), ())


@pytest.mark.parametrize(
    "content",
    [
        [{"question": "怎么办？", "answer": "这样。"}, {"问题": "how?", "答案": "so"}],
        {"pairs": [{"q": "怎么办？", "a": "这样。"}, {"Question": "how?", "Answer": "so"}]},
        {"怎么办？": "这样。", "how?": "so"},
    ],
)
def test_three_forms_of_json(tmp_path: Path, content: object) -> None:
    imported = read(tmp_path, "a.json", content)
    assert asked(imported) == [("怎么办？", "这样。"), ("how?", "so")]
    assert [p.language for p in imported.pairs] == ["zh", "en"]
    assert imported.problems == ()


def test_json_of_one_object_and_of_lines(tmp_path: Path) -> None:
    assert asked(read(tmp_path, "a.json", row()[0])) == [("how?", "so")]
    lines = '{"question": "a?", "answer": "1"}\n{"question": "b?", "answer": null}\n'
    assert asked(read(tmp_path, "b.json", lines)) == [("a?", "1"), ("b?", "")]
    assert asked(read(tmp_path, "c.jsonl", row())) == [("how?", "so")]


def test_a_wrong_line_of_json_lines_is_told_and_the_rest_read(tmp_path: Path) -> None:
    lines = ['{"question": "a?", "answer": "1"}', "{broken", "", "[1]", "[" * 99_999, "9" * 9_999]
    lines += ['{"question": "b\u2028?", "answer": "2"}']
    imported = read(tmp_path, "a.jsonl", "\r\n".join(lines))
    assert [p.answer for p in imported.pairs] == ["1", "2"]
    assert places(imported) == ["line 2", "line 4", "line 5", "line 6"]


@pytest.mark.parametrize(
    "content", ["{", '["a"', "[" * 99_999, "[" + "9" * 9_999 + "]", "nonsense"]
)
def test_broken_json_cannot_be_read(tmp_path: Path, content: str) -> None:
    with pytest.raises(FileUnreadable, match="JSON"):
        read(tmp_path, "a.json", content)


def test_json_of_other_things_is_told(tmp_path: Path) -> None:
    assert places(read(tmp_path, "a.json", "7")) == ["file"]
    assert places(read(tmp_path, "a.json", [1, *row(), None])) == ["item 1", "item 3"]
    assert places(read(tmp_path, "a.json", [])) == ["file"]


def test_keys_unknown_or_written_twice_are_told(tmp_path: Path) -> None:
    imported = read(tmp_path, "a.json", '{"how?": "so", "how?": "thus"}')
    assert asked(imported) == [("how?", "thus")]
    assert "'how?' stands there twice" in imported.problems[0].what
    pairs = [{"question": f"q {n}?", "answer": "a", "price": n} for n in range(3)]
    imported = read(tmp_path, "b.json", pairs)
    assert len(imported.pairs) == 3
    assert places(imported, "note") == ["item 1"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"question": ""}, "the question is empty"),
        ({"question": "？！"}, "no word in the question"),
        ({"question": 3}, "is not a text but int"),
        ({"question": "q" * (MAX_QUESTION + 1)}, "has 501 characters; at most 500"),
        ({"answer": " "}, "the answer is empty"),
        ({"answer": "a" * (MAX_ANSWER + 1)}, "has 4,001 characters; at most 4,000"),
        ({"answer": ["a"]}, "is not a text but list"),
        ({"question": "\ud83d hm"}, "half a character"),
        ({"answer": "\udc00 hm"}, "half a character"),
        ({"aliases": 3}, "'aliases' must be texts"),
        ({"aliases": [None]}, "not a text but NoneType"),
        ({"aliases": ["q" * 501]}, "an alias has 501"),
        ({"topic": "t" * 101}, "the topic has 101"),
        ({"language": "fr"}, "must be zh or en"),
        ({"emotion": "bored"}, "none of angry"),
        ({"intensity": 1.5}, "from 0 to 1"),
        ({"intensity": True}, "from 0 to 1"),
        ({"intensity": float("nan")}, "from 0 to 1"),
        ({"intensity": "strong"}, "from 0 to 1"),
        ({"sample": "maybe"}, "write true or false"),
        ({"id": ["x"]}, "the id is not a text"),
    ],
)
def test_a_wrong_row_is_told_and_others_are_read(
    tmp_path: Path, values: dict[str, object], said: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([*row(**values), {"question": "ok?", "answer": "yes"}]))
    imported = read_pairs(path)
    assert asked(imported) == [("ok?", "yes")]
    (problem,) = imported.problems
    assert (problem.place, problem.kind) == ("item 1", "error")
    assert said in problem.what


def test_a_missing_answer_is_a_mistake_and_a_gap_is_written(tmp_path: Path) -> None:
    imported = read(tmp_path, "a.csv", "question,answer\na?,null\nb?,-\nc?,NULL\nd?,\ne?,--\n")
    assert asked(imported) == [("a?", ""), ("b?", ""), ("c?", ""), ("e?", "--")]
    assert [p.is_gap for p in imported.pairs] == [True, True, True, False]
    assert places(imported) == ["row 5"]
    imported = read(tmp_path, "a.json", [{"question": "a?", "answer": None}, {"question": "b?"}])
    assert asked(imported) == [("a?", "")]
    assert places(imported) == ["item 2"]


def test_control_characters_go_and_line_breaks_of_answers_stay(tmp_path: Path) -> None:
    content = row(question="how\x07 \u202emuch\n now?", answer="one\x00\r\ntwo\u200b\x1b 👨‍👩‍👧")
    (pair,) = read(tmp_path, "a.json", content).pairs
    assert pair.question == "how much now?"
    assert pair.answer == "one\ntwo 👨‍👩‍👧"


def test_the_same_question_again_is_a_duplicate_or_a_problem(tmp_path: Path) -> None:
    text = (
        "question,answer\n身份证怎么办？,这样。\n身份證怎麼辦,这样。\n 身份证 怎么办？,那样。\n"
        "HOW much?,Ten\nhow  much,Ten \nｈｏｗ much?!,Eleven\n"
    )
    imported = read(tmp_path, "a.csv", text.replace(" 身份证 怎么办", "身份证怎么办"))
    assert asked(imported) == [("身份证怎么办？", "这样。"), ("HOW much?", "Ten")]
    assert [(d.place, d.first) for d in imported.duplicates] == [
        ("row 3", "row 2"),
        ("row 6", "row 5"),
    ]
    assert [(p.place, p.what) for p in imported.problems] == [
        ("row 4", "it asks what row 2 asks and answers otherwise; keep one of the two"),
        ("row 7", "it asks what row 5 asks and answers otherwise; keep one of the two"),
    ]


def test_c_and_c_plus_plus_are_two_questions() -> None:
    assert normalise_question("What is C?") != normalise_question("What is C++?")


def test_ids_are_taken_or_made_and_stay_the_same(tmp_path: Path) -> None:
    text = "id,question,answer\nFee-1,a?,1\n,b?,2\n7,c?,3\n费用,d?,4\nfee-1,e?,5\n"
    imported = read(tmp_path, "a.csv", text)
    assert [p.id for p in imported.pairs] == [
        "fee-1", "q-6d6f4f11eb5d374e", "7", make_id("en", "d"),
    ]  # fmt: skip
    assert places(imported, "note") == ["row 5"]
    (problem,) = [p for p in imported.problems if p.kind == "error"]
    assert problem == type(problem)("row 6", "the id 'fee-1' is taken by row 2; give it another")
    other = read(tmp_path, "b.json", {"Ｂ": "another answer"})
    assert other.pairs[0].id == imported.pairs[1].id
    assert read(tmp_path, "b.json", {"b?": "2"}, language="zh").pairs[0].id != other.pairs[0].id


def test_the_language_is_given_or_the_columns_or_of_the_script(tmp_path: Path) -> None:
    text = "question,answer,language\n怎么办？,a,\nhow?,b,\nwhy?,c,zh-CN\n什么？,d,英文\n10086,号码是多少,\n"
    assert [p.language for p in read(tmp_path, "a.csv", text).pairs] == [
        "zh",
        "en",
        "zh",
        "en",
        "zh",
    ]
    assert {p.language for p in read(tmp_path, "a.csv", text, language="en").pairs} == {"en"}


def test_samples_are_marked(tmp_path: Path) -> None:
    text = "question,answer,sample\na?,1,是\nb?,2,\nc?,3,no\n"
    assert [p.sample for p in read(tmp_path, "a.csv", text).pairs] == [True, False, False]
    assert all(p.sample for p in read(tmp_path, "a.csv", text, sample=True).pairs)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_emotion_is_taken(tmp_path: Path, emotion: str) -> None:
    (pair,) = read(tmp_path, "a.json", row(emotion=emotion.upper(), intensity=".5")).pairs
    assert (pair.emotion, pair.intensity) == (emotion, 0.5)


def test_aliases_lose_what_is_said_twice(tmp_path: Path) -> None:
    content = row(aliases=["how?", "HOW so", "how so", "", "in what way"])
    assert read(tmp_path, "a.json", content).pairs[0].aliases == ("HOW so", "in what way")


def test_too_many_pairs_stop_the_reading_and_are_told(tmp_path: Path) -> None:
    text = "question,answer\n" + "".join(f"q {n}?,a\n" for n in range(10))
    imported = read(tmp_path, "a.csv", text, max_pairs=4)
    assert len(imported.pairs) == 4
    ((problem),) = imported.problems
    assert problem.place == "row 6"
    assert "more than 4 pairs" in problem.what


def test_a_flood_of_problems_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visavis.knowledge.importing.pairs.MAX_PROBLEMS", 5)
    imported = read(tmp_path, "a.csv", "question,answer\n" + "q?,\n" * 9 + "ok?,yes\n")
    assert asked(imported) == [("ok?", "yes")]
    assert len(imported.problems) == 6
    assert imported.problems[-1].what.startswith("4 more problems")


def test_an_encoding_that_is_not_sure_is_told(tmp_path: Path) -> None:
    imported = read(tmp_path, "a.json", '{"一方": "a"}'.encode("gbk"))
    assert imported.encoding == "GB18030"
    assert imported.pairs[0].question == "一方"
    assert "Big5 is about as plausible" in imported.problems[0].what


def test_files_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "folder.csv").mkdir()
    for name, said in (("gone.csv", "No such file"), ("a.pdf", "no known kind"), ("empty.csv", "empty"), ("folder.csv", "folder"), ("", "folder")):  # fmt: skip
        with pytest.raises(FileUnreadable, match=said):
            read_pairs(tmp_path / name)


def test_a_forbidden_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.csv").write_bytes(b"a,b")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileUnreadable, match="Permission denied"):
        read_pairs(tmp_path / "a.csv")


PIECES = st.sampled_from(
    ["question", "answer", ",", ";", "\t", "\n", '"', "{", "}", "[", "]", ":", "Q:", "A:", "# ", "```",
     "问题", "答：", "null", "-", "|", "---", "**", "](http://a", "<!--", "\\ud800", "1e999", "\0"]
)  # fmt: skip
CONTENTS = st.one_of(
    st.binary(min_size=1, max_size=200),
    st.lists(PIECES, min_size=1, max_size=40).map(lambda pieces: "".join(pieces).encode()),
    st.text(min_size=1, max_size=60).map(lambda text: text.encode("utf-16", "surrogatepass")),
)


@settings(max_examples=250, deadline=None)
@given(CONTENTS, st.sampled_from(ENDINGS))
@example(b"PK\x03\x04", ".csv")
@example(b"question,answer\n\xff,\xff", ".csv")
@example(b"---", ".md")
def test_any_bytes_give_pairs_or_one_error(content: bytes, ending: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{ending}"
        path.write_bytes(content)
        try:
            imported = read_pairs(path)
        except FileUnreadable:
            return
    assert imported.pairs or imported.problems
    for pair in imported.pairs:
        assert 0 < len(pair.question) <= MAX_QUESTION
        assert len(pair.answer) <= MAX_ANSWER
        (pair.question + pair.answer).encode()
