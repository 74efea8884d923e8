"""What a deployment may set, read from the environment (``VISAVIS_AVATAR=…``) once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from visavis.core.errors import ConfigError
from visavis.core.types import EMOTIONS, Emotion, Language

PREFIX = "VISAVIS_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Defaults of all commands; a command's option goes before them.

    Attributes:
        recognizer: Stage that hears.
        hint: Words that questions are likely to hold; it settles what sounds the same. The default
            is of the sample base.
        respell: Whether questions are written as the base writes what sounds the same.
        responder: Stage that answers; a persona's own where one is set.
        persona: Name of a shipped persona, or path of a TOML file: its voices, avatar and language go
            for what is not set.
        mood: Whether answers are said to fit the mood of whoever asks.
        knowledge: Store of the bases that are answered from: a path or postgresql://…; empty for the
            user's own.
        bases: Names of those bases, by commas; empty for all of the store.
        reranker: Folder of a cross-encoder that orders what is found in them; empty for none.
        animator: Stage that shows the face.
        weights: What the animator draws with, where it needs a choice; empty for the avatar's own.
        enhancer: Stage that sharpens what the animator draws; empty for none.
        avatar: Who answers; empty for the first one shipped.
        voice_zh: Voice for Chinese; empty for the avatar's own.
        voice_en: Voice for English; empty for the avatar's own.
        language: Of text that shows none.
        emotion: Of every sentence; empty to let the answer decide.
        intensity: Of the emotion, 0..1.
        size: Shorter side of the video in pixels.
        seed: Of the head's own motion.
        label: Whether videos carry a visible label.
        label_text: What it says; empty for the default.
        max_characters: Longest text that is spoken in one go.
        max_question: Longest question in characters.
        max_seconds: Longest recording that is rendered.
    """

    recognizer: str = "whisper"
    hint: str = "办理、补办、居住证、身份证、社保卡、护照、公积金。"
    respell: bool = True
    responder: str = "faq"
    persona: str = ""
    mood: bool = True
    knowledge: str = ""
    bases: str = ""
    reranker: str = ""
    animator: str = "puppet"
    weights: str = ""
    enhancer: str = ""
    avatar: str = ""
    voice_zh: str = ""
    voice_en: str = ""
    language: Language = "zh"
    emotion: Emotion | None = None
    intensity: float = 0.5
    size: int = 512
    seed: int = 0
    label: bool = True
    label_text: str = ""
    max_characters: int = 20_000
    max_question: int = 1_000
    max_seconds: int = 3_600

    @property
    def base_names(self) -> tuple[str, ...]:
        """Names of the bases, one by one."""
        return tuple(name.strip() for name in self.bases.split(",") if name.strip())


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        ConfigError: A value is not of its kind or out of its range.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for field in fields(Settings):
        text = environment.get(PREFIX + field.name.upper(), "").strip()
        if text:
            values[field.name] = _parse(field.name, text)
    if values.get("persona"):
        values = {**_read_persona(values["persona"]), **values}
    return Settings(**values)


def _read_persona(which: str) -> dict[str, Any]:
    """Return the settings that a persona brings."""
    from visavis.stages.responders.persona import load_persona

    persona = load_persona(which)
    brought = {
        "responder": "persona",
        "avatar": persona.avatar,
        "voice_zh": persona.voice.get("zh", ""),
        "voice_en": persona.voice.get("en", ""),
        "language": "" if persona.language == "auto" else persona.language,
    }
    return {name: value for name, value in brought.items() if value}


_RANGES: dict[str, tuple[float, float]] = {
    "intensity": (0, 1),
    "size": (128, 2160),
    "seed": (0, 2**31 - 1),
    "max_characters": (1, 1_000_000),
    "max_question": (1, 100_000),
    "max_seconds": (1, 100_000),
}
_CHOICES: dict[str, tuple[str, ...]] = {"language": get_args(Language), "emotion": EMOTIONS}
_WORDS = {"1": True, "true": True, "yes": True, "on": True} | {
    "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip


def _parse(name: str, text: str) -> Any:
    variable = PREFIX + name.upper()
    if name in _CHOICES:
        if text not in _CHOICES[name]:
            raise ConfigError(f"{variable} is {text!r}; set one of {', '.join(_CHOICES[name])}")
        return text
    if name in ("label", "mood", "respell"):
        if text.lower() not in _WORDS:
            raise ConfigError(f"{variable} is {text!r}; set it to yes or no")
        return _WORDS[text.lower()]
    if name in _RANGES:
        low, high = _RANGES[name]
        try:
            value = float(text) if name == "intensity" else int(text)
        except ValueError:
            raise ConfigError(f"{variable} is {text!r}; set a number") from None
        if not low <= value <= high:
            raise ConfigError(f"{variable} is {text}; set a number from {low:g} to {high:g}")
        return value
    return text
