"""Personas: the shipped ones, and what is wrong with files that are not as they should be."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from visavis.core.errors import ConfigError
from visavis.knowledge.base import load_samples
from visavis.stages.responders.persona import (
    _KEYS,
    FOLDER,
    ModelChoice,
    Persona,
    check_length,
    list_personas,
    load_persona,
)
from visavis.stages.responders.tools import open_tools

FULL = """
name = "Ann"
manner = "Be kind."
language = "en"
avatar = "mei"
bases = ["one", "two"]
mode = "open"
emotion = "happy"
rules = ["No jokes."]
tools = ["clock"]
[greeting]
zh = "您好"
en = "Hello"
[voice]
en = "af_heart"
[model]
url = "http://localhost:11434/v1"
model = "qwen2.5:7b"
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "ann.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_shipped_ones() -> None:
    assert list_personas() == ["clerk", "receptionist", "teacher"]
    bases = {base.name for base in load_samples()}
    for name in list_personas():
        persona = load_persona(name)
        assert persona == load_persona(FOLDER / f"{name}.toml")
        for language in ("zh", "en"):
            assert persona.manner[language]
            assert persona.rules[language]
            assert persona.greeting[language]
            assert persona.voice[language]
        assert "人工智能" in persona.greeting["zh"], "it says what it is"
        assert "AI" in persona.greeting["en"]
        assert set(persona.bases) <= bases
        assert persona.model == ModelChoice()
    assert load_persona("clerk").mode == "grounded"


def test_every_key(tmp_path: Path) -> None:
    persona = load_persona(write(tmp_path, FULL))
    assert (persona.language, persona.avatar) == ("en", "mei")
    assert dict(persona.name) == {"zh": "Ann", "en": "Ann"}
    assert (persona.bases, persona.mode, persona.emotion) == (("one", "two"), "open", "happy")
    assert dict(persona.manner) == {"zh": "Be kind.", "en": "Be kind."}
    assert dict(persona.rules) == {"zh": ("No jokes.",), "en": ("No jokes.",)}
    assert dict(persona.greeting) == {"zh": "您好", "en": "Hello"}
    assert dict(persona.voice) == {"en": "af_heart"}
    assert persona.model == ModelChoice("http://localhost:11434/v1", "qwen2.5:7b")
    assert persona.tools == ("clock",)
    assert persona.describe("en") == "Be kind.\nRules:\n- No jokes."


def test_a_name_is_enough(tmp_path: Path) -> None:
    ann = Persona({"zh": "Ann", "en": "Ann"})
    assert load_persona(write(tmp_path, 'name = "Ann"')) == ann
    assert ann.describe("zh") == ""


@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        ('[name]\nzh = "小惠"\nen = "Xiaohui"', "小惠", "Xiaohui"),
        ('[name]\nzh = "小惠"', "小惠", "小惠"),
        ('[name]\nen = "Ann"\nzh = " "', "Ann", "Ann"),
    ],
)
def test_a_name_may_differ_by_language(tmp_path: Path, text: str, zh: str, en: str) -> None:
    assert dict(load_persona(write(tmp_path, text)).name) == {"zh": zh, "en": en}


@pytest.mark.parametrize(
    ("text", "key", "why"),
    [
        ("", "name", "missing"),
        ('name = "  "', "name", "missing"),
        ("[name]", "name", "missing"),
        ('[name]\nfr = "A"', "name.fr", "not known"),
        (f'[name]\nen = "{"a" * 61}"', "name.en", "limit is 60"),
        ("name = 3", "name", "not a number"),
        ("name = true", "name", "not true or false"),
        ("name = 2024-01-01", "name", "not a date"),
        ('name = "a\\u0007b"', "name", "control"),
        (f'name = "{"a" * 61}"', "name", "limit is 60"),
        ('name = "A"\nmood = "x"', "mood", "not known"),
        ('name = "A"\nmode = "wild"', "mode", "faq-only, grounded, open"),
        ('name = "A"\nlanguage = "fr"', "language", "zh, en, auto"),
        ('name = "A"\nemotion = "angelic"', "emotion", "set one of"),
        ('name = "A"\nbases = "one"', "bases", "list of texts, not text"),
        ('name = "A"\nbases = ["one", 2]', "bases[1]", "not a number"),
        ('name = "A"\nbases = [""]', "bases[0]", "empty"),
        ('name = "A"\nrules = {fr = ["x"]}', "rules.fr", "not known"),
        ('name = "A"\nrules = {zh = "x"}', "rules.zh", "list"),
        ('name = "A"\nrules = 1', "rules", "table"),
        ('name = "A"\nmanner = ["x"]', "manner", "not a list"),
        ('name = "A"\nvoice = "x"', "voice", "table"),
        ('name = "A"\n[voice]\nfr = "x"', "voice.fr", "not known"),
        ('name = "A"\n[greeting]\nzh = 1', "greeting.zh", "not a number"),
        ('name = "A"\nmodel = "x"', "model", "table"),
        ('name = "A"\n[model]\nsize = "x"', "model.size", "not known"),
        ('name = "A"\n[model]\napi_key = "x"', "model.api_key", "VISAVIS_LLM_KEY"),
        ('name = "A"\n[model]\nurl = "http://me:pw@h/v1"', "model.url", "VISAVIS_LLM_KEY"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, text: str, key: str, why: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_persona(path)
    message = str(caught.value)
    assert str(path) in message
    assert repr(key) in message
    assert why in message
    assert "pw" not in message


def test_manner_and_rules_must_leave_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, f'name = "A"\nrules = {["规" * 300] * 6!r}'.replace("'", '"'))
    persona = load_persona(path)
    with pytest.raises(ConfigError, match=r"ann\.toml: .* 1,8\d\d tokens, of 3,000"):
        check_length(persona, path)
    monkeypatch.setenv("VISAVIS_LLM_TOKENS", "4000")
    check_length(persona, path)
    with pytest.raises(ConfigError, match="of 4,000"):
        check_length(replace(persona, tools=("clock",)), path)
    for name in list_personas():
        monkeypatch.setenv("VISAVIS_LLM_TOKENS", "1000")
        check_length(load_persona(name), name)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for content in (b"name = ", b"\xff\xfe\x00", "name = “A”".encode()):
        with pytest.raises(ConfigError, match=r"ann\.toml is not TOML"):
            load_persona(write(tmp_path, content))
    with pytest.raises(ConfigError, match="larger than 64 kB"):
        load_persona(write(tmp_path, b"#" * 70_000))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_persona(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="clerk, receptionist, teacher"):
        load_persona("nobody")
    with pytest.raises(ConfigError):
        load_persona("../persona")


def test_the_example_in_docs_has_every_key(tmp_path: Path) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "knowledge.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", docs, re.DOTALL)
    assert set(tomllib.loads(example)) == set(_KEYS)
    persona = load_persona(write(tmp_path, example))
    assert dict(persona.name) == {"zh": "小导", "en": "Dao"}
    assert open_tools(persona.tools, lambda *asked: [])
    assert set(persona.voice.values()) <= {"zf_xiaohe", "af_heart"}


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    assert load_persona(write(tmp_path, b"\xef\xbb\xbfname = 'Ann'")).name["en"] == "Ann"
