"""Everything that visavis raises on purpose, as a tree.

Error (Exception)
├── InputError                what the user gave cannot be used; it is never retried
│   ├── FileUnreadable        missing, not a file, not the format it says, or not allowed
│   ├── OutputUnwritable      the place for the result is read-only, full or not a folder
│   ├── PictureUnusable       too small, too large, or not a picture
│   ├── NoFaceFound
│   ├── SeveralFacesFound
│   ├── FaceUnusable          profile, covered, blurred, mouth open …
│   ├── NoVideoStream
│   ├── NoAudioStream
│   ├── AudioTooShort
│   ├── AudioTooLong
│   ├── AudioSilent
│   ├── TextUnusable          empty, too long, or nothing in it that can be spoken
│   └── LanguageUnsupported
├── AssetError                a model file
│   ├── UnknownAsset
│   ├── MissingWeights        not on this machine, and not allowed or able to fetch it
│   ├── ChecksumMismatch
│   └── LicenceNotAccepted    non-commercial, and nobody asked for it
├── ConfigError
│   ├── UnknownStage
│   ├── UnknownAvatar
│   ├── UnknownVoice
│   └── MissingExtra
├── StageError(retryable)     a stage failed while working
│   ├── SessionsFull          as many live sessions run as this machine can serve
│   └── StoreUnavailable      the database is locked, full or away
└── Cancelled                 the user or a newer turn stopped the work

A message says what was found and what to do. Apps print it without a traceback.
"""


class Error(Exception):
    """Root of every error that visavis raises on purpose."""


class InputError(Error):
    """What the user gave cannot be used."""


class FileUnreadable(InputError):
    """A file is missing, broken, or not of the kind that was asked for."""


class OutputUnwritable(InputError):
    """The result cannot be written where it was asked for."""


class PictureUnusable(InputError):
    """A picture is too small, too large, or cannot be decoded."""


class NoFaceFound(InputError):
    """No face is in the picture, or in too few frames of the video."""


class SeveralFacesFound(InputError):
    """More than one face is in view, and nothing says which is meant."""


class FaceUnusable(InputError):
    """The face is turned away, covered, blurred or too small."""


class NoVideoStream(InputError):
    """A file was read as video and has no picture."""


class NoAudioStream(InputError):
    """A file was read as sound and has none."""


class AudioTooShort(InputError):
    """The sound is shorter than can be worked with."""


class AudioTooLong(InputError):
    """The sound is longer than the limit."""


class AudioSilent(InputError):
    """There is no speech in the sound."""


class TextUnusable(InputError):
    """The text is empty, too long, or holds nothing that can be spoken."""


class LanguageUnsupported(InputError):
    """No voice or recogniser here speaks that language."""


class AssetError(Error):
    """A model file is missing or wrong."""


class UnknownAsset(AssetError):
    """The catalogue has no such entry."""


class MissingWeights(AssetError):
    """A model file is not on this machine and could not be fetched."""


class ChecksumMismatch(AssetError):
    """A file is not the one that the catalogue pins."""


class LicenceNotAccepted(AssetError):
    """The licence forbids commercial use, and nobody asked for the file."""


class ConfigError(Error):
    """A setting names something that does not exist here."""


class UnknownStage(ConfigError):
    """No stage of that name is registered."""


class UnknownAvatar(ConfigError):
    """No avatar of that name is stored."""


class UnknownVoice(ConfigError):
    """No synthesizer has a voice of that name."""


class MissingExtra(ConfigError):
    """An optional dependency is not installed; the message names the extra."""


class StageError(Error):
    """A stage failed while working.

    Args:
        message: What failed and what to do.
        retryable: Whether the same call may succeed later (a server was busy, say).
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class SessionsFull(StageError):
    """As many live sessions run as this machine can serve.

    Args:
        message: How many run and what to do.
        retry_after: Seconds after which another attempt may succeed.
    """

    def __init__(self, message: str, *, retry_after: float = 10.0) -> None:
        super().__init__(message, retryable=True)
        self.retry_after = retry_after


class StoreUnavailable(StageError):
    """The database is locked, full or away; what was to be written was not."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


class Cancelled(Error):
    """The work was stopped by the user or by a newer turn."""
