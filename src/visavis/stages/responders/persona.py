"""Personas: who answers, in which manner, from which bases, and how freely. One TOML file each.

The shipped ones lie in the folder ``personas`` beside this file, so that an installed wheel has them. A file
holds no keys of servers: those are of the environment (`endpoint`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from visavis.core.errors import ConfigError
from visavis.core.types import EMOTIONS, Emotion, Language
from visavis.stages.responders.dialogue_window import VARIABLE, estimate_tokens, read_budget

Mode: TypeAlias = Literal["faq-only", "grounded", "open"]

FOLDER = Path(__file__).parent / "personas"
MAX_FILE_BYTES = 64 << 10
MAX_MANNER = 2_000
"""Characters; it is sent with every question."""
MAX_RULES, MAX_RULE = 20, 300
MAX_GREETING = 300
MAX_NAME = 60

_LANGUAGES: tuple[Language, ...] = get_args(Language)
_MODES: tuple[Mode, ...] = get_args(Mode)
_RULES: dict[Language, str] = {"zh": "规矩：", "en": "Rules:"}
_KEYS = (
    "name", "manner", "language", "voice", "avatar", "bases", "model", "mode", "rules", "greeting",
    "emotion", "tools",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which language model is asked; each empty for what the environment says.

    Attributes:
        url: Of the server, up to ``/v1``.
        model: As the server names it, or ``embedded``.
    """

    url: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Persona:
    """Who answers.

    Attributes:
        name: As people call it, in every language.
        manner: For the system prompt, by language.
        language: That it speaks; ``auto`` for that of the question.
        voice: Names of voices by language; the avatar's own where there is none.
        avatar: Name of a stored one; empty for the default.
        bases: Names of bases; empty for all.
        model: Which language model is asked.
        mode: ``faq-only``: stored answers and nothing else. ``grounded``: a model answers from passages
            of the bases. ``open``: where they hold nothing, it answers freely, and that is said.
        rules: Further lines of the system prompt, by language.
        greeting: What is said first, by language; may be missing.
        emotion: Of sentences that have none of their own.
        tools: Names of tools that the model may use; none by default.
    """

    name: Mapping[Language, str]
    manner: Mapping[Language, str] = field(default_factory=dict)
    language: Language | Literal["auto"] = "auto"
    voice: Mapping[Language, str] = field(default_factory=dict)
    avatar: str = ""
    bases: tuple[str, ...] = ()
    model: ModelChoice = ModelChoice()
    mode: Mode = "grounded"
    rules: Mapping[Language, tuple[str, ...]] = field(default_factory=dict)
    greeting: Mapping[Language, str] = field(default_factory=dict)
    emotion: Emotion = "neutral"
    tools: tuple[str, ...] = ()

    def describe(self, language: Language) -> str:
        """Write the part of the system prompt that is the persona's: its manner, then its rules."""
        lines = [self.manner.get(language, "")]
        if rules := self.rules.get(language, ()):
            lines += [_RULES[language], *(f"- {rule}" for rule in rules)]
        return "\n".join(line for line in lines if line)


def list_personas() -> list[str]:
    """List the names of the shipped personas."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_persona(which: str | Path) -> Persona:
    """Read a persona.

    Args:
        which: Name of a shipped one, or the path of a TOML file (with its ending, or with a folder).

    Raises:
        ConfigError: There is no such file, or it is not as it should be; the message names file and key.
    """
    path = Path(which)
    if path.suffix.lower() != ".toml" and path.name == str(which):
        path = FOLDER / f"{which}.toml"
        if not path.is_file():
            names = ", ".join(list_personas())
            raise ConfigError(
                f"no persona is called {str(which)!r}; there are {names}, or name a .toml file"
            )
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"the persona {path} is larger than {MAX_FILE_BYTES >> 10} kB")
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"the persona {path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the persona {path} is not TOML in UTF-8: {error}") from None
    return _Reader(path, table).read()


def check_length(persona: Persona, which: str | Path) -> None:
    """See that manner and rules leave room for passages and dialogue; they go along with every question.

    Args:
        persona: As read.
        which: What it was read from, for the message.

    Raises:
        ConfigError: They need more than half of what the model is sent, or than a third where tools need
            another one; see `read_budget`.
    """
    budget = read_budget()
    longest = max(estimate_tokens(persona.describe(language)) for language in _LANGUAGES)
    if longest > budget // (3 if persona.tools else 2):
        raise ConfigError(
            f"{which}: 'manner' and 'rules' have about {longest:,} tokens, of {budget:,} that the language"
            f" model is sent with a question; shorten them, or raise {VARIABLE} where the model reads more"
        )


class _Reader:
    """Checks one file, key by key."""

    def __init__(self, path: Path, table: Mapping[str, Any]) -> None:
        self._path = path
        self._table = table

    def read(self) -> Persona:
        unknown = sorted(set(self._table) - set(_KEYS))
        if unknown:
            raise self._wrong(unknown[0], f"is not known; the keys are {', '.join(_KEYS)}")
        return Persona(
            name=self._names(),
            manner=self._texts("manner", MAX_MANNER),
            language=self._choice("language", (*_LANGUAGES, "auto"), "auto"),
            voice=self._by_language("voice"),
            avatar=self._text("avatar", 200),
            bases=self._list("bases", self._table.get("bases", [])),
            model=self._model(),
            mode=self._choice("mode", _MODES, "grounded"),
            rules=self._rules(),
            greeting=self._texts("greeting", MAX_GREETING),
            emotion=self._choice("emotion", EMOTIONS, "neutral"),
            tools=self._list("tools", self._table.get("tools", [])),
        )

    def _names(self) -> Mapping[Language, str]:
        """Read the name; one that is given in one language only holds for the other as well."""
        names = self._texts("name", MAX_NAME)
        if not names:
            raise self._wrong("name", "is missing; say what people call it")
        known = next(iter(names.values()))
        return MappingProxyType({one: names.get(one, known) for one in _LANGUAGES})

    def _text(self, key: str, limit: int) -> str:
        return self._check_text(key, self._table.get(key, ""), limit)

    def _check_text(self, key: str, value: Any, limit: int) -> str:
        if not isinstance(value, str):
            raise self._wrong(key, f"must be text in quotes, not {_name_type(value)}")
        if len(value) > limit:
            raise self._wrong(key, f"has {len(value):,} characters and the limit is {limit:,}")
        if any(not c.isprintable() and c not in "\n\t" for c in value):
            raise self._wrong(key, "holds control characters")
        return value.strip()

    def _choice(self, key: str, allowed: Sequence[str], default: str) -> Any:
        value = self._text(key, 40) or default
        if value not in allowed:
            raise self._wrong(key, f"is {value!r}; set one of {', '.join(allowed)}")
        return value

    def _texts(self, key: str, limit: int) -> Mapping[Language, str]:
        """Read a text that is either for all languages or a table by language."""
        value = self._table.get(key, {})
        if not isinstance(value, dict):
            text = self._check_text(key, value, limit)
            return MappingProxyType({language: text for language in _LANGUAGES if text})
        return self._by_language(key, limit)

    def _by_language(self, key: str, limit: int = 200) -> Mapping[Language, str]:
        table = self._languages(key)
        texts = {
            language: self._check_text(f"{key}.{language}", table[language], limit)
            for language in _LANGUAGES
            if language in table
        }
        return MappingProxyType({language: text for language, text in texts.items() if text})

    def _rules(self) -> Mapping[Language, tuple[str, ...]]:
        value = self._table.get("rules", {})
        if isinstance(value, list):
            rules = self._list("rules", value, MAX_RULES, MAX_RULE)
            return MappingProxyType({language: rules for language in _LANGUAGES if rules})
        table = self._languages("rules")
        return MappingProxyType(
            {
                language: self._list(f"rules.{language}", table[language], MAX_RULES, MAX_RULE)
                for language in _LANGUAGES
                if language in table
            }
        )

    def _languages(self, key: str) -> Mapping[str, Any]:
        table = self._table.get(key, {})
        if not isinstance(table, dict):
            raise self._wrong(key, f"must be a table with zh and en, not {_name_type(table)}")
        for unknown in sorted(set(table) - set(_LANGUAGES)):
            raise self._wrong(
                f"{key}.{unknown}", f"is not known; the keys are {', '.join(_LANGUAGES)}"
            )
        return table

    def _list(self, key: str, value: Any, most: int = 50, limit: int = 200) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise self._wrong(key, f"must be a list of texts, not {_name_type(value)}")
        if len(value) > most:
            raise self._wrong(key, f"has {len(value)} entries and the limit is {most}")
        texts = [self._check_text(f"{key}[{i}]", item, limit) for i, item in enumerate(value)]
        if "" in texts:
            raise self._wrong(f"{key}[{texts.index('')}]", "is empty")
        return tuple(texts)

    def _model(self) -> ModelChoice:
        table = self._table.get("model", {})
        if not isinstance(table, dict):
            raise self._wrong(
                "model", f"must be a table with url and model, not {_name_type(table)}"
            )
        for unknown in sorted(set(table) - {"url", "model"}):
            why = "is not known; the keys are url, model"
            if "key" in unknown.lower() or "token" in unknown.lower():
                why = "has no place here: set VISAVIS_LLM_KEY or VISAVIS_LLM_KEY_FILE"
            raise self._wrong(f"model.{unknown}", why)
        url, model = (
            self._check_text(f"model.{key}", table.get(key, ""), 500) for key in ("url", "model")
        )
        if "@" in url:
            raise self._wrong("model.url", "holds a name or password; set VISAVIS_LLM_KEY instead")
        return ModelChoice(url, model)

    def _wrong(self, key: str, why: str) -> ConfigError:
        return ConfigError(f"{self._path}: {key!r} {why}")


def _name_type(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "a table" if isinstance(value, dict) else "a date or time")
