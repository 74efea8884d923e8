"""Somebody's consent that their voice is imitated, kept beside the recording that it is imitated from.

No voice is made from a recording without such a record. It names the recording by its SHA-256, so that
a record of one person does not serve for another one's voice, and carries a digest of its own fields, so
that a date or a scope that was changed afterwards is noticed. That finds mistakes and careless changes;
who writes both files anew can still lie, as on paper.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from visavis.core.errors import ConfigError
from visavis.media.files import finish_or_discard

SUFFIX = ".consent.json"
VERSION = 1
_LARGEST = 64 * 2**20
"""Bytes of a reference recording: ten seconds are meant."""
_LARGEST_RECORD = 65_536
_SHORTEST_STATEMENT = 10
_FIELDS = {"version", "speaker", "date", "statement", "scope", "expires", "audio_sha256", "digest"}


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody agreed to.

    Attributes:
        speaker: Whose voice it is.
        given: When they said so.
        statement: Their words.
        scope: What the voice may be used for, in their words.
        expires: The last day on which it holds; None where they set none.
        audio_sha256: Of the recording, in small hexadecimal letters.
    """

    speaker: str
    given: date
    statement: str
    scope: str
    expires: date | None
    audio_sha256: str


def consent_path(audio: Path) -> Path:
    """Tell where the record of a recording lies if nothing else is said: beside it."""
    return audio.with_name(audio.name + SUFFIX)


def write_consent(
    audio: Path,
    *,
    speaker: str,
    statement: str,
    scope: str,
    given: date | None = None,
    expires: date | None = None,
    path: Path | None = None,
    replace: bool = False,
) -> Consent:
    """Record that somebody agreed.

    Args:
        audio: The recording of their voice.
        speaker: Who.
        statement: What they said or signed.
        scope: What for.
        given: When; today by default.
        expires: The last day on which it holds.
        path: Of the record; beside the recording by default.
        replace: Whether an older record may be written over.

    Raises:
        ConfigError: A field is empty or impossible, the recording cannot be read, or there is a
            record already.
        OutputUnwritable: The place cannot be written to.
    """
    path = path or consent_path(audio)
    if path.exists() and not replace:
        raise ConfigError(f"there is a consent record already: {path}; look at it first")
    consent = Consent(
        speaker.strip(),
        given or _today(),
        statement.strip(),
        scope.strip(),
        expires,
        hashlib.sha256(_read_audio(audio)).hexdigest(),
    )
    _check_fields(consent, str(path))
    row = _to_row(consent)
    text = json.dumps(row | {"digest": _digest(row)}, ensure_ascii=False, indent=2) + "\n"
    with finish_or_discard(path) as part:
        part.write_text(text, encoding="utf-8")
    return consent


def read_consent(path: Path) -> Consent:
    """Read a record and check that it is whole and unchanged.

    Raises:
        ConfigError: It is missing, broken, incomplete, or was changed after it was written.
    """
    try:
        if path.stat().st_size > _LARGEST_RECORD:
            raise ConfigError(f"{path} is too large for a consent record")
        row = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no consent record {path}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"the consent record {path} cannot be read: {error}") from None
    if not isinstance(row, dict) or set(row) != _FIELDS or row["version"] != VERSION:
        raise ConfigError(
            f"{path} is not a consent record of version {VERSION}; it must have the fields"
            f" {', '.join(sorted(_FIELDS))} and no others"
        )
    digest = row.pop("digest")
    if digest != _digest(row):
        raise ConfigError(
            f"the consent record {path} was changed after it was written; ask the speaker anew"
        )
    try:
        consent = Consent(
            speaker=_text(row["speaker"]),
            given=date.fromisoformat(_text(row["date"])),
            statement=_text(row["statement"]),
            scope=_text(row["scope"]),
            expires=None if row["expires"] is None else date.fromisoformat(_text(row["expires"])),
            audio_sha256=_text(row["audio_sha256"]),
        )
    except ValueError as error:
        raise ConfigError(f"the consent record {path} has a wrong field: {error}") from None
    _check_fields(consent, str(path))
    return consent


def read_with_consent(audio: Path, path: Path | None = None, today: date | None = None) -> bytes:
    """Read a recording whose speaker agreed that their voice is imitated.

    Args:
        audio: The recording.
        path: Of the record; beside the recording by default.
        today: In UTC by default.

    Returns:
        The very bytes that the consent is for.

    Raises:
        ConfigError: The recording or the record is missing, the record is of another recording,
            was changed, or has expired. The message says how to make one.
    """
    path = path or consent_path(audio)
    data = _read_audio(audio)
    try:
        consent = read_consent(path)
        if consent.audio_sha256 != hashlib.sha256(data).hexdigest():
            raise ConfigError(f"the consent record {path} is not of this recording")
        if consent.expires is not None and consent.expires < (today or _today()):
            raise ConfigError(f"the consent in {path} ended on {consent.expires}")
    except ConfigError as error:
        raise ConfigError(f"{error}; {_how_to(audio)}") from None
    return data


def _how_to(audio: Path) -> str:
    return (
        f"a voice is made from {audio} only with its speaker's consent: ask them, then record it with"
        " write_consent(audio, speaker=…, statement=…, scope=…) of"
        " visavis.stages.synthesizers.consent"
    )


def _check_fields(consent: Consent, where: str) -> None:
    for name in ("speaker", "statement", "scope"):
        if not getattr(consent, name).strip():
            raise ConfigError(f"the consent record {where} needs a {name}")
    if len(consent.statement) < _SHORTEST_STATEMENT:
        raise ConfigError(
            f"the statement in {where} is too short; write down what the speaker said in full"
        )
    if consent.given > _today():
        raise ConfigError(f"the consent in {where} is of the future: {consent.given}")
    if consent.expires is not None and consent.expires < consent.given:
        raise ConfigError(f"the consent in {where} ends before it was given")


def _to_row(consent: Consent) -> dict[str, Any]:
    row = asdict(consent) | {"version": VERSION, "date": consent.given.isoformat()}
    del row["given"]
    row["expires"] = None if consent.expires is None else consent.expires.isoformat()
    return row


def _digest(row: dict[str, Any]) -> str:
    canonical = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _read_audio(audio: Path) -> bytes:
    try:
        size = audio.stat().st_size
        if size > _LARGEST:
            raise ConfigError(
                f"the reference recording {audio} has {size / 2**20:.0f} MB; cut it to ten seconds"
            )
        data = audio.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the reference recording {audio} cannot be read: {error.strerror}"
        ) from None
    if not data:
        raise ConfigError(f"the reference recording {audio} is empty")
    return data


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _today() -> date:
    return datetime.now(UTC).date()
