"""The whole way from recordings to a data set."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from visavis.apps.voice_data.choosing import Dropped, Kept, choose, choose_reference
from visavis.apps.voice_data.hearing import hear_all
from visavis.apps.voice_data.reading import (
    MOST_SECONDS,
    Recording,
    check_length,
    digest_file,
    read_recording,
)
from visavis.apps.voice_data.report import describe, put_into_words
from visavis.apps.voice_data.writing import Place, check_name
from visavis.core import registry
from visavis.core.errors import AudioSilent, AudioTooShort, ConfigError
from visavis.core.types import Language
from visavis.stages.synthesizers.consent import consent_path, write_consent

LEAST_SPEECH = 30.0
"""Seconds in the recordings below which it is not worth beginning."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the speaker agreed to; see ``write_consent``."""

    speaker: str
    statement: str
    scope: str
    given: date | None = None
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made.

    Attributes:
        name: Of the voice.
        output: Folder of the data set.
        language: What is spoken; None to find out.
        recognizer: Name of a stage.
        hint: Words that are likely to occur, for recognisers that take them.
        replace: Whether another data set may be written over.
    """

    name: str
    output: Path
    agreed: Agreed
    language: Language | None = None
    recognizer: str = "whisper"
    hint: str = ""
    replace: bool = False


def check_wanted(wanted: Wanted) -> None:
    """Refuse before any work what would be refused after it.

    Raises:
        ConfigError: The name, the folder or the consent is not possible.
    """
    check_name(wanted.name)
    place = Place(wanted.output, wanted.name)
    place.check()
    # The fields are checked where records are written, so one is written for trial.
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / place.reference.name
        trial.write_bytes(b"trial")
        try:
            _write_consent(trial, wanted.agreed)
        except ConfigError as error:
            text = str(error).replace(str(trial.parent), str(place.folder))
            raise ConfigError(f"{text}; nothing was begun") from None


def create(
    wanted: Wanted,
    recordings: Sequence[Path],
    told: Callable[[str, float], None] = lambda what, share: None,
) -> dict[str, Any]:
    """Make a data set, or go on with one that was stopped.

    Args:
        wanted: What.
        recordings: Sound or video files of one person who speaks.
        told: Told what is done, and the share of all that is.

    Returns:
        The report, as it is written.

    Raises:
        ConfigError: The name, the folder or the consent is not possible, or another data set is in
            the folder.
        InputError: A recording cannot be used.
        MissingWeights: A model is not on this machine.
        StageError: The recogniser failed.
        OutputUnwritable: The folder cannot be written to.
    """
    check_wanted(wanted)
    place = Place(wanted.output, wanted.name)
    stage = _load(wanted)
    for path in recordings:
        check_length(path)
    digests = [digest_file(path) for path in recordings]
    for number, digest in enumerate(digests):
        if digest in digests[:number]:
            raise ConfigError(f"{recordings[number]} is given twice; name each recording once")
    place.claim({"name": wanted.name, "sha256": sorted(digests)}, replace=wanted.replace)
    read = _read_all(recordings, told)
    speech = sum(recording.speech for recording in read)
    if speech < LEAST_SPEECH:
        raise AudioTooShort(
            f"there are {speech:.0f} seconds of speech; a voice needs {LEAST_SPEECH:g} at least, and"
            " a minute or more to be good"
        )
    pieces = [piece for recording in read for _, piece in recording.pieces]
    about = f"{wanted.recognizer}\0{wanted.language}\0{wanted.hint}"

    def understood(done: int) -> None:
        told(f"understanding piece {done} of {len(pieces)}", 0.4 + 0.55 * done / len(pieces))

    heard = hear_all(stage, about, pieces, place.notes, understood)
    kept, dropped = choose(read, heard, wanted.language)
    if not kept:
        raise AudioSilent(_nothing_kept(dropped))
    told("writing", 0.95)
    return _finish(place, wanted, read, kept, dropped)


def _load(wanted: Wanted) -> Any:
    options: dict[str, Any] = {"language": wanted.language or "auto"}
    if wanted.hint:
        options["hint"] = wanted.hint
    stage = registry.load("recognizers", wanted.recognizer)
    try:
        return stage(**options)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise ConfigError(
            f"the recognizer {wanted.recognizer!r} does not take all of {', '.join(options)}; leave"
            " out --hint, or use --recognizer whisper"
        ) from error


def _read_all(recordings: Sequence[Path], told: Callable[[str, float], None]) -> list[Recording]:
    read: list[Recording] = []
    left = MOST_SECONDS
    for number, path in enumerate(recordings):

        def advanced(what: str, share: float, number: int = number, path: Path = path) -> None:
            told(f"{what}: {path.name}", 0.4 * (number + share) / len(recordings))

        read.append(read_recording(path, left, advanced))
        left -= read[-1].seconds
    return read


def _finish(
    place: Place,
    wanted: Wanted,
    read: Sequence[Recording],
    kept: Sequence[Kept],
    dropped: Sequence[Dropped],
) -> dict[str, Any]:
    reference = choose_reference(kept)
    rows = place.write(kept, reference)
    _write_consent(place.reference, wanted.agreed)
    report = describe(wanted.name, read, rows, dropped, rows[reference])
    report["consent"] = consent_path(place.reference).name
    report["list"] = str(place.list)
    report["recognizer"] = wanted.recognizer
    place.write_report(report, put_into_words(report))
    return report


def _write_consent(audio: Path, agreed: Agreed) -> None:
    write_consent(
        audio,
        speaker=agreed.speaker,
        statement=agreed.statement,
        scope=agreed.scope,
        given=agreed.given,
        expires=agreed.expires,
        replace=True,
    )


def _nothing_kept(dropped: Sequence[Dropped]) -> str:
    reasons = "; ".join(f"at {d.start:.0f} s: {d.why}" for d in dropped[:3])
    return f"no piece of the recording can be used ({reasons}); record again, slowly and close by"
