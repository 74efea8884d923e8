import time
from pathlib import Path

import pytest

from visavis.knowledge.importing.pairs import Imported, read_pairs
from visavis.knowledge.importing.spoken import speak_inline, speak_markdown


def read(folder: Path, text: str) -> Imported:
    path = folder / "a.md"
    path.write_bytes(text.encode())
    return read_pairs(path)


def asked(imported: Imported) -> list[tuple[str, str]]:
    return [(p.question, p.answer) for p in imported.pairs]


def places(imported: Imported, kind: str = "error") -> list[str]:
    return [p.place for p in imported.problems if p.kind == kind]


HEADINGS = """---
title: x
---
Some words.

# Residence permits

## 居住证怎么办？

带上 **身份证**，去[派出所](https://a.example/x_(1))办理。
来源：《居住证条例》
相似问法：怎么办居住证；居住证办理

## How long?

About *ten* days,
sometimes `more`.

- bring a form
- see <https://b.example>

```
# not a heading
```

Fees
----
Ten yuan ![coins](c.png).

## Empty
"""


def test_markdown_by_headings(tmp_path: Path) -> None:
    imported = read(tmp_path, HEADINGS)
    first, second, third = imported.pairs
    assert (first.question, first.answer) == ("居住证怎么办？", "带上 身份证，去派出所办理。")
    assert first.source == "《居住证条例》"
    assert first.aliases == ("怎么办居住证", "居住证办理")
    assert first.topic == "Residence permits"
    assert second.answer == ("About ten days, sometimes more.\nbring a form.\nsee.\nnot a heading")
    assert "example" not in second.answer
    assert (third.question, third.answer) == ("Fees", "Ten yuan coins.")
    assert places(imported) == ["line 30"]
    assert places(imported, "note") == ["line 4"]


def test_words_above_subheadings_are_an_introduction_unless_under_a_question(
    tmp_path: Path,
) -> None:
    text = "# Fees #\nAll about fees.\n## How much?\nTen.\n### For C#\nFive.\n"
    imported = read(tmp_path, text)
    assert asked(imported) == [("How much?", "Ten."), ("For C#", "Five.")]
    assert [p.topic for p in imported.pairs] == ["Fees", "How much?"]
    assert places(imported, "note") == ["line 1"]


@pytest.mark.parametrize(
    "hostile",
    ["#" + " " * 9_999 + "x", "Q1" + " " * 9_999 + "x", "**Q " + " " * 9_999, " " * 9_999 + "(",
     "`" * 9_999, "[" * 9_999, "[a](" * 3_000, "<!--" * 3_000, "*a " * 3_000, "# " * 5_000],
)  # fmt: skip
def test_hostile_marks_are_read_in_bounded_time(tmp_path: Path, hostile: str) -> None:
    started = time.process_time()
    read(tmp_path, f"Q: x\nA: y\n{hostile}\n")
    read(tmp_path, f"# x\n{hostile}\n")
    assert time.process_time() - started < 1.5


LABELS = """# FAQ

**Q1:** How much
is it?
**A:** Ten yuan.

Or [less](http://a.example).

## 证件

- 问：怎么办？
- 答：这样办。
问题：没有回答？
问：最后？
答案：是的。
答：又一个
"""


def test_markdown_by_labels(tmp_path: Path) -> None:
    imported = read(tmp_path, LABELS)
    assert asked(imported) == [
        ("How much is it?", "Ten yuan.\nOr less."), ("怎么办？", "这样办。"), ("最后？", "是的。"),
    ]  # fmt: skip
    assert [p.topic for p in imported.pairs] == ["FAQ", "证件", "证件"]
    assert sorted(places(imported)) == ["line 13", "line 16"]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("**bold** __strong__ *it* _it_ ~~no~~ ***all***", "bold strong it it no all"),
        ("请带**身份证**和*户口本*", "请带身份证和户口本"),
        ("snake_case_name and 2*3*4", "snake_case_name and 2*3*4"),
        ("[our site](https://a.example/b?c=d) has it", "our site has it"),
        ("see https://a.example/x?y=1, or call", "see , or call"),
        ("详见https://a.example/路径。谢谢", "详见路径。谢谢"),
        ("the form (https://a.example) is free", "the form is free"),
        ("[a][1] and [^2]<br>b <span class='x'>c</span>", "a and b c"),
        ("1 &lt; 2 &amp; \\*star\\*", "1 < 2 & *star*"),
        ("mail <a@b.example> or `code`", "mail or code"),
    ],
)
def test_marks_and_addresses_are_not_spoken(text: str, spoken: str) -> None:
    assert speak_inline(text) == spoken


def test_blocks_become_sentences() -> None:
    text = "Bring:\n\n1. a form\n2. money\n\n> 中文\n> 接着\n\n| a | b |\n|---|---|\n| c | d |\n\n[1]: http://x.example\n<!-- hidden\nwords -->\n***\n## More\n"
    assert speak_markdown(text) == "Bring:\n1. a form.\n2. money.\n中文接着。\na, b.\nc, d.\nMore"
