"""Which keys a voice of each kind has in the file of voices, and what they may hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from visavis.core.errors import ConfigError

Kind: TypeAlias = Literal["openai-speech", "gpt-sovits", "cosyvoice", "index-tts"]
Option: TypeAlias = Literal["text", "number", "switch"] | tuple[str, ...]
"""A tuple lists the texts that are allowed."""

_NEEDED = object()


@dataclass(frozen=True, slots=True)
class KindSpec:
    """What a kind of server takes.

    Attributes:
        rate: Hz that it sends where nothing else is said.
        example: Of an address.
        options: Its own keys.
        check: Says what is missing, given whether there is a reference, or nothing.
        takes_reference: Whether a voice may be made from a recording.
    """

    rate: int
    example: str
    options: Mapping[str, Option]
    check: Callable[[bool, Mapping[str, Any]], str]
    takes_reference: bool = True


def _check_openai(_: bool, options: Mapping[str, Any]) -> str:
    return "" if options.get("voice") else "it needs the key 'voice', as its server names it"


def _check_sovits(has_reference: bool, options: Mapping[str, Any]) -> str:
    if not has_reference:
        return "GPT-SoVITS needs a reference recording, [voices.NAME.reference]"
    if ("gpt_weights" in options) != ("sovits_weights" in options):
        return "gpt_weights and sovits_weights go together: the server keeps another voice's else"
    return ""


def _check_cosyvoice(has_reference: bool, options: Mapping[str, Any]) -> str:
    if has_reference == bool(options.get("speaker")):
        return "it needs either a reference recording or the key 'speaker', and not both"
    template = options.get("instruct_template", "{}")
    return "" if template.count("{}") == 1 else "instruct_template must hold {} once"


def _check_index(has_reference: bool, options: Mapping[str, Any]) -> str:
    if not has_reference:
        return "IndexTTS needs a reference recording, [voices.NAME.reference]"
    if options.get("stream") and options.get("api") == "v1":
        return "the v1 API does not stream"
    return ""


KINDS: dict[Kind, KindSpec] = {
    "openai-speech": KindSpec(
        24_000,
        "http://localhost:8000/v1",
        {
            "model": "text",
            "voice": "text",
            "format": ("pcm", "wav"),
            "instruct": "text",
            "instructions": "switch",
            "speed": "number",
        },
        _check_openai,
        takes_reference=False,
    ),
    "gpt-sovits": KindSpec(
        32_000,
        "http://localhost:9880",
        {
            "gpt_weights": "text",
            "sovits_weights": "text",
            "format": ("wav", "raw"),
            "streaming_mode": ("0", "1", "2", "3"),
            "speed": "number",
            "seed": "number",
            "split": ("cut0", "cut1", "cut2", "cut3", "cut4", "cut5"),
        },
        _check_sovits,
    ),
    "cosyvoice": KindSpec(
        24_000,
        "http://localhost:50000",
        {
            "speaker": "text",
            "instruct": "text",
            "instructions": "switch",
            "instruct_template": "text",
        },
        _check_cosyvoice,
    ),
    "index-tts": KindSpec(
        22_050,
        "http://localhost:6006",
        {"api": ("v1", "v2"), "stream": "switch", "emotion_strength": "number"},
        _check_index,
    ),
}


def check_option(name: str, option: Option, value: Any, source: str) -> Any:
    """Check a kind's own key.

    Raises:
        ConfigError: It holds something else.
    """
    if isinstance(option, tuple):
        return choose({name: value}, name, option, source)
    if option == "text":
        return text_of({name: value}, name, source)
    if option == "switch":
        if not isinstance(value, bool):
            raise ConfigError(f"{source}, key {name!r}: true or false")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{source}, key {name!r}: a number")
    low, high = {"speed": (0.25, 4.0), "emotion_strength": (0.0, 1.0)}.get(name, (-1, 2**31))
    if not low <= value <= high:
        raise ConfigError(f"{source}, key {name!r}: between {low:g} and {high:g}")
    return value


def text_of(table: Mapping[str, Any], key: str, source: str, default: Any = _NEEDED) -> str:
    """Read a text of a table.

    Raises:
        ConfigError: It is missing with no default, empty, no text, or has control characters.
    """
    value = table.get(key, default)
    if value is _NEEDED:
        raise ConfigError(f"{source}: the key {key!r} is missing")
    if key not in table:
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{source}, key {key!r}: a text that is not empty")
    if any(ord(c) < 32 and c not in "\t\n" for c in value):
        raise ConfigError(f"{source}, key {key!r}: it has control characters")
    return value.strip()


def choose(
    table: Mapping[str, Any],
    key: str,
    allowed: Sequence[str],
    source: str,
    default: Any = _NEEDED,
) -> Any:
    """Read one of several words of a table.

    Raises:
        ConfigError: It is missing with no default, or is none of them.
    """
    value = table.get(key, default)
    if value is _NEEDED:
        raise ConfigError(f"{source}: the key {key!r} is missing; it is {' or '.join(allowed)}")
    if value not in allowed:
        raise ConfigError(f"{source}, key {key!r}: {' or '.join(allowed)}, and not {value!r}")
    return value
