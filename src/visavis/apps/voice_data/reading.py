"""Recordings in: decoded, checked, their noise taken out, cut into pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visavis.apps.voice_data.hearing import Piece
from visavis.apps.voice_data.levels import signal_to_noise
from visavis.apps.voice_data.slicing import find_cuts, listen
from visavis.core.errors import AudioSilent, AudioTooLong
from visavis.core.types import Waveform
from visavis.media.audio import clipped_fraction, is_silent, read_audio
from visavis.media.container import open_input
from visavis.media.denoise import denoise
from visavis.media.files import unreadable

RATE = 32_000
"""Hz that GPT-SoVITS trains at."""
MOST_SECONDS = 1800.0
"""Of all recordings together."""
_CLEAN_DB = 40.0
"""Above this there is no noise worth the risk of touching the speech."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One file and what was found in it.

    Attributes:
        path: Of the file.
        digest: Its SHA-256.
        seconds: Its length.
        speech: Seconds of speech in it.
        clipped: Share of the samples that are clipped, 0..1.
        noise_before: Signal to noise in dB, where it could be told.
        noise_after: The same after noise was taken out.
        pieces: Start in samples, and the sound.
        left_out: Start and end in seconds, and why.
    """

    path: Path
    digest: str
    seconds: float
    speech: float
    clipped: float
    noise_before: float | None
    noise_after: float | None
    pieces: list[tuple[int, Piece]]
    left_out: list[tuple[float, float, str]]


def digest_file(path: Path) -> str:
    """Compute the SHA-256 of a file.

    Raises:
        FileUnreadable: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def check_length(path: Path) -> None:
    """Refuse by its header a recording that is too long, before minutes of decoding.

    Raises:
        AudioTooLong: It is.
        FileUnreadable: It is missing, or neither sound nor video.
    """
    with open_input(path) as container:
        # Headers lie sometimes; a much too large figure is left to the decoder.
        seconds = (container.duration or 0) / 1e6
    if MOST_SECONDS < seconds < 100 * 3600:
        raise AudioTooLong(_too_long(f"{path} is {seconds / 60:.0f} minutes long"))


def read_recording(
    path: Path, left: float, told: Callable[[str, float], None] = lambda what, share: None
) -> Recording:
    """Read one file.

    Args:
        path: Any sound or video file.
        left: Seconds that it may have.
        told: Told what is done, and the share of this file that is.

    Raises:
        FileUnreadable: Missing, broken, or neither sound nor video.
        NoAudioStream: A video without sound.
        AudioTooShort: No sample in it.
        AudioTooLong: Longer than is left.
        AudioSilent: No speech is in it.
        MissingWeights: The detector of speech is not on this machine.
    """
    told("reading", 0.0)
    digest = digest_file(path)
    try:
        sound = read_audio(path, RATE, left)
    except AudioTooLong as error:
        raise AudioTooLong(_too_long(f"with {path} there is more sound")) from error
    clipped = clipped_fraction(sound)
    if is_silent(sound):
        raise AudioSilent(f"{path} is silent; check the microphone and record again")
    # Cheap sound cards add a constant, which would count as noise.
    sound = Waveform(sound.samples - np.float32(np.mean(sound.samples, dtype=np.float64)), RATE)
    told("looking for speech", 0.1)
    likely = listen(sound, lambda share: told("looking for speech", 0.1 + 0.5 * share))
    cuts = find_cuts(sound, likely)
    if not cuts.spoken:
        raise AudioSilent(f"no speech was heard in {path}; check the microphone and record again")
    before = signal_to_noise(sound, cuts.spoken, cuts.quiet)
    told("taking out noise", 0.6)
    # Without a quiet stretch, speech would be taken for noise.
    noisy = before is not None and before < _CLEAN_DB
    clean = denoise(sound, cuts.quiet) if noisy else sound
    after = signal_to_noise(clean, cuts.spoken, cuts.quiet)
    pieces = [
        (
            start,
            Piece(
                Waveform(clean.samples[start:end], RATE), Waveform(sound.samples[start:end], RATE)
            ),
        )
        for start, end in cuts.pieces
    ]
    return Recording(
        path=path,
        digest=digest,
        seconds=sound.duration,
        speech=sum(end - start for start, end in cuts.spoken) / RATE,
        clipped=clipped,
        noise_before=before,
        noise_after=after,
        pieces=pieces,
        left_out=[(start / RATE, end / RATE, why) for start, end, why in cuts.left_out],
    )


def _too_long(what: str) -> str:
    return (
        f"{what}; {MOST_SECONDS / 60:.0f} minutes are the most, and a few good ones are enough:"
        " cut it"
    )
