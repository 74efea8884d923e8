"""Consent: written, read, and refused where it is not for this recording."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from voice_files import SCOPE, SPEAKER, STATEMENT, add_recording

from visavis.core.errors import ConfigError
from visavis.stages.synthesizers.consent import (
    consent_path,
    read_consent,
    read_with_consent,
    write_consent,
)

TODAY = datetime.now(UTC).date()


def write(audio: Path, **changes: Any) -> None:
    given: dict[str, Any] = {"speaker": SPEAKER, "statement": STATEMENT, "scope": SCOPE}
    write_consent(audio, **(given | changes))


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | fields), "utf-8")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    audio = add_recording(tmp_path, consent=False)
    made = write_consent(
        audio,
        speaker=" 李明 ",
        statement="我同意用我的录音合成语音，用于市政大厅的问答。",
        scope="市政大厅",
        given=date(2025, 3, 1),
        expires=TODAY,
    )
    assert read_consent(consent_path(audio)) == made
    assert made.speaker == "李明"
    assert consent_path(audio).name == "li.wav.consent.json"
    assert read_with_consent(audio) == audio.read_bytes()


def test_without_a_record_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    audio = add_recording(tmp_path, consent=False)
    with pytest.raises(ConfigError, match=r"no consent record .*li\.wav.*ask them.*write_consent"):
        read_with_consent(audio)


def test_a_changed_recording(tmp_path: Path) -> None:
    audio = add_recording(tmp_path)
    audio.write_bytes(audio.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ConfigError, match=r"not of this recording.*write_consent"):
        read_with_consent(audio)


def test_the_record_of_somebody_else(tmp_path: Path) -> None:
    add_recording(tmp_path)
    other = add_recording(tmp_path, "wang.wav", consent=False)
    with pytest.raises(ConfigError, match="not of this recording"):
        read_with_consent(other, consent_path(tmp_path / "li.wav"))


def test_it_ends(tmp_path: Path) -> None:
    audio = add_recording(tmp_path, consent=False)
    write(audio, given=TODAY - timedelta(9), expires=TODAY - timedelta(1))
    with pytest.raises(ConfigError, match="ended on"):
        read_with_consent(audio)
    assert read_with_consent(audio, today=TODAY - timedelta(1))


@pytest.mark.parametrize(
    "fields",
    [
        {"expires": "2099-01-01"},
        {"expires": None},
        {"speaker": "Somebody else"},
        {"scope": "anything"},
        {"statement": STATEMENT + " For everything."},
        {"audio_sha256": "0" * 64},
        {"digest": "0" * 64},
        {"digest": None},
    ],
)
def test_a_record_that_was_changed(tmp_path: Path, fields: dict[str, Any]) -> None:
    audio = add_recording(tmp_path, consent=False)
    write(audio, expires=TODAY + timedelta(9))
    change(consent_path(audio), **fields)
    with pytest.raises(ConfigError, match=r"changed after it was written.*write_consent"):
        read_with_consent(audio)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "not a consent record"),
        (b"{}", "not a consent record"),
        (b'"' + b"x" * 70_000 + b'"', "too large"),
    ],
)
def test_broken_records(tmp_path: Path, content: bytes, told: str) -> None:
    audio = add_recording(tmp_path)
    consent_path(audio).write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        read_with_consent(audio)


@pytest.mark.parametrize("fields", [{"version": 2}, {"extra": 1}])
def test_records_of_another_form(tmp_path: Path, fields: dict[str, Any]) -> None:
    audio = add_recording(tmp_path)
    change(consent_path(audio), **fields)
    with pytest.raises(ConfigError, match="not a consent record of version 1"):
        read_with_consent(audio)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"speaker": "  "}, "needs a speaker"),
        ({"scope": ""}, "needs a scope"),
        ({"statement": "yes"}, "too short"),
        ({"given": TODAY + timedelta(2)}, "of the future"),
        ({"expires": TODAY - timedelta(1)}, "ends before"),
    ],
)
def test_impossible_fields_are_not_written(
    tmp_path: Path, fields: dict[str, Any], told: str
) -> None:
    audio = add_recording(tmp_path, consent=False)
    with pytest.raises(ConfigError, match=told):
        write(audio, **fields)
    assert not consent_path(audio).exists()


def test_a_record_is_not_written_over_unasked(tmp_path: Path) -> None:
    audio = add_recording(tmp_path)
    with pytest.raises(ConfigError, match="already"):
        write(audio, speaker="Wang")
    write(audio, speaker="Wang", replace=True)
    assert read_consent(consent_path(audio)).speaker == "Wang"


def test_recordings_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    for name, told in (("none.wav", "No such file"), ("empty.wav", "empty"), (".", "directory")):
        with pytest.raises(ConfigError, match=told):
            read_with_consent(tmp_path / name)
