"""Voices that other servers speak, as a TOML file lists them.

``VISAVIS_VOICES`` names the file; without it there are none, and nothing is loaded. Each voice is a table::

    [voices.li]
    kind = "gpt-sovits"
    url = "http://localhost:9880"
    languages = ["zh", "en"]

    [voices.li.reference]
    audio = "li.wav"                 # beside this file; li.wav.consent.json lies beside it
    server_audio = "/refs/li.wav"    # where the server finds the same file
    text = "大家好，我是小李。"
    language = "zh"

    [voices.li.emotions.happy]       # a recording for a manner of speaking
    audio = "li_happy.wav"
    …

Keys of servers are never in it: ``key_variable`` names the environment variable that holds one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from visavis.core.errors import ConfigError, UnknownVoice
from visavis.core.types import EMOTIONS, Emotion, Language, Voice
from visavis.stages.services.addresses import Address, check_url, read_key
from visavis.stages.synthesizers.consent import consent_path, read_with_consent
from visavis.stages.synthesizers.voice_keys import KINDS, Kind, check_option, choose, text_of

logger = logging.getLogger(__name__)

VARIABLE = "VISAVIS_VOICES"

Gender: TypeAlias = Literal["female", "male", "unknown"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_LARGEST = 2**20
_COMMON = {"kind", "url", "languages", "gender", "rate", "key_variable", "reference", "emotions"}
_REFERENCE = {"audio", "server_audio", "text", "language", "consent"}
_SECRETS = ("key", "api_key", "token", "password", "secret")


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording that a voice is made from.

    Attributes:
        audio: On this machine.
        server_audio: Its path on the server.
        text: What is said in it; empty where that is not told.
        language: Of the text.
        consent: The record of its speaker's consent.
    """

    audio: Path
    server_audio: str
    text: str
    language: Language
    consent: Path

    def read(self) -> bytes:
        """Read the recording.

        Raises:
            ConfigError: It is missing, or its speaker's consent is.
        """
        return read_with_consent(self.audio, self.consent)


@dataclass(frozen=True, slots=True)
class ServiceVoice:
    """A voice that a server speaks.

    Attributes:
        name: Unique within visavis.
        kind: Of the server; its synthesizer's name.
        url: Of the server.
        source: File and voice, as errors name it.
        languages: What it speaks.
        gender: As its owner says.
        rate: Hz at which it is handed on; of raw sound also what the server sends.
        key_variable: Environment variable of the server's key, or empty.
        reference: What it is made from, or None.
        emotions: Recordings for manners of speaking.
        options: Checked keys of its kind.
    """

    name: str
    kind: Kind
    url: str
    source: str
    languages: tuple[Language, ...]
    gender: Gender
    rate: int
    key_variable: str = ""
    reference: Reference | None = None
    emotions: Mapping[Emotion, Reference] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> Voice:
        """Describe it as synthesizers list voices."""
        return Voice(self.name, self.kind, self.languages, self.gender, self.rate)

    def find_address(self) -> Address:
        """Put its address and key together.

        Raises:
            ConfigError: The variable of the key is not set.
        """
        if not self.key_variable:
            return Address(self.url, self.source)
        key = read_key(self.key_variable, self.key_variable + "_FILE")
        if not key:
            raise ConfigError(
                f"{self.source}: set the environment variable {self.key_variable} to the key of"
                " its server, or take key_variable away"
            )
        return Address(self.url, self.source, key, self.key_variable)

    def style_reference(self, emotion: Emotion) -> Reference | None:
        """Choose the recording for an emotion: its own one, or the voice's."""
        return self.emotions.get(emotion, self.reference)


class VoiceShelf:
    """The voices of one kind, read at their first use.

    A file or voice that is wrong is told in the log when voices are listed, so that it does not take
    the others with it, and raised when that voice is to speak.

    Args:
        kind: Of the voices.
        path: Of the file; VISAVIS_VOICES by default.
    """

    def __init__(self, kind: Kind, path: Path | None = None) -> None:
        self._kind = kind
        name = os.environ.get(VARIABLE, "").strip()
        self._path = path or (Path(name) if name else None)
        self._voices: dict[str, ServiceVoice] | None = None
        self._wrong: dict[str, ConfigError] = {}

    def voices(self) -> list[Voice]:
        """List what can be used. Never raises."""
        return [voice.describe() for voice in self._load().values()]

    def find(self, name: str) -> ServiceVoice:
        """Find a voice.

        Raises:
            ConfigError: Its description, or the whole file, is wrong.
            UnknownVoice: There is none of that name.
        """
        voices = self._load()
        if name in voices:
            return voices[name]
        if error := self._wrong.get(name) or self._wrong.get(""):
            raise error
        listed = ", ".join(voices) or "none"
        raise UnknownVoice(f"{self._kind} has no voice {name!r}; {VARIABLE} lists {listed}")

    def version(self) -> str:
        """Digest all that the sound depends on, as far as this side knows it."""
        digest = hashlib.sha256()
        for voice in self._load().values():
            digest.update(repr(voice).encode())
            for reference in (voice.reference, *voice.emotions.values()):
                if reference is not None and reference.audio.is_file():
                    digest.update(hashlib.sha256(reference.audio.read_bytes()).digest())
        return digest.hexdigest()[:32]

    def _load(self) -> dict[str, ServiceVoice]:
        if self._voices is None:
            found, self._wrong = read_voices(self._path) if self._path else ({}, {})
            self._voices = {n: v for n, v in found.items() if v.kind == self._kind}
            for error in self._wrong.values():
                logger.warning("%s", error)
        return self._voices


def load_voices(path: Path) -> dict[str, ServiceVoice]:
    """Read a file of voices, for those who want to know at once whether it is right.

    Raises:
        ConfigError: Anything is wrong; the message names file, voice and key.
    """
    voices, wrong = read_voices(path)
    for error in wrong.values():
        raise error
    return voices


def read_voices(path: Path) -> tuple[dict[str, ServiceVoice], dict[str, ConfigError]]:
    """Read a file of voices: those that are right, and what is wrong with the others.

    An error of the whole file is under the empty name.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(f"{path} is too large for a list of voices")
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        if wrong := set(content) - {"voices"}:
            raise ConfigError(f"{path}: unknown key {min(wrong)!r}; voices are [voices.NAME]")
        tables = content.get("voices", {})
        if not isinstance(tables, dict):
            raise ConfigError(f"{path}: voices are tables, [voices.NAME]")
    except ConfigError as error:
        return {}, {"": error}
    except OSError as error:
        return {}, {
            "": ConfigError(f"{path}, named by {VARIABLE}, is unreadable: {error.strerror}")
        }
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        return {}, {"": ConfigError(f"{path} is not TOML: {error}")}
    voices: dict[str, ServiceVoice] = {}
    errors: dict[str, ConfigError] = {}
    for name, table in tables.items():
        try:
            voices[name] = _read_voice(path, name, table)
        except ConfigError as error:
            errors[name] = error
    for voice in list(voices.values()):
        if _shares_weights(voice, voices):
            errors[voice.name] = ConfigError(
                f"{voice.source}: other voices of this server name weights, and it keeps the last"
                " ones; name gpt_weights and sovits_weights here too"
            )
    return {n: v for n, v in voices.items() if n not in errors}, errors


def _shares_weights(voice: ServiceVoice, others: Mapping[str, ServiceVoice]) -> bool:
    """Whether a voice would be spoken with whatever weights another one left behind."""
    return (
        voice.kind == "gpt-sovits"
        and "gpt_weights" not in voice.options
        and any(o.url == voice.url and "gpt_weights" in o.options for o in others.values())
    )


def _read_voice(path: Path, name: str, table: Any) -> ServiceVoice:
    source = f"{path}, voice {name!r}"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{source}: a name has small letters, digits, _ and -, at most 64")
    if not isinstance(table, dict):
        raise ConfigError(f"{source}: it must be a table, [voices.{name}]")
    kind: Kind = choose(table, "kind", get_args(Kind), source)
    spec = KINDS[kind]
    for key in table:
        if key in _SECRETS:
            raise ConfigError(
                f"{source}, key {key!r}: keys are not kept in files; write key_variable ="
                ' "NAME_OF_THE_ENVIRONMENT_VARIABLE"'
            )
    allowed = _COMMON | set(spec.options)
    if wrong := set(table) - allowed:
        raise ConfigError(
            f"{source}: {kind} has no key {min(wrong)!r}; it has {', '.join(sorted(allowed))}"
        )
    variable = text_of(table, "key_variable", source, default="")
    if variable and not _VARIABLE.fullmatch(variable):
        raise ConfigError(f"{source}, key 'key_variable': {variable!r} is no variable's name")
    url = check_url(text_of(table, "url", source), f"{source}, key 'url',", spec.example)
    rate = table.get("rate", spec.rate)
    if not isinstance(rate, int) or not 8_000 <= rate <= 48_000 or rate % 25:
        raise ConfigError(f"{source}, key 'rate': 8000 to 48000 Hz, a multiple of 25")
    reference = None
    if "reference" in table:
        reference = _read_reference(path, table["reference"], f"{source}, reference")
    emotions = table.get("emotions", {})
    if not isinstance(emotions, dict) or set(emotions) - set(EMOTIONS):
        raise ConfigError(f"{source}, key 'emotions': tables of {', '.join(EMOTIONS)}")
    if (reference or emotions) and not spec.takes_reference:
        raise ConfigError(f"{source}: {kind} takes no reference recordings")
    voice = ServiceVoice(
        name,
        kind,
        url,
        source,
        _read_languages(table, source),
        choose(table, "gender", get_args(Gender), source, default="unknown"),
        rate,
        variable,
        reference,
        {e: _read_reference(path, r, f"{source}, emotion {e!r}") for e, r in emotions.items()},
        {k: check_option(k, spec.options[k], table[k], source) for k in table if k in spec.options},
    )
    if problem := spec.check(reference is not None, voice.options):
        raise ConfigError(f"{source}: {problem}")
    return voice


def _read_languages(table: Mapping[str, Any], source: str) -> tuple[Language, ...]:
    found = table.get("languages")
    known = get_args(Language)
    if not isinstance(found, list) or not found or any(f not in known for f in found):
        raise ConfigError(
            f"{source}, key 'languages': a list of {', '.join(known)}, the main first"
        )
    return tuple(dict.fromkeys(found))


def _read_reference(path: Path, table: Any, source: str) -> Reference:
    if not isinstance(table, dict):
        raise ConfigError(f"{source}: it must be a table with audio, text and language")
    if wrong := set(table) - _REFERENCE:
        raise ConfigError(
            f"{source}: unknown key {min(wrong)!r}; there are {', '.join(sorted(_REFERENCE))}"
        )
    audio = path.parent / text_of(table, "audio", source)
    consent = text_of(table, "consent", source, default="")
    return Reference(
        audio,
        text_of(table, "server_audio", source, default=str(audio.absolute())),
        text_of(table, "text", source, default=""),
        choose(table, "language", get_args(Language), source),
        path.parent / consent if consent else consent_path(audio),
    )
