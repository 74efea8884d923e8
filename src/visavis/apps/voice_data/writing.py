"""The data set on disk, as GPT-SoVITS' fine-tuning takes it.

``NAME.list`` has a line ``path|speaker|LANG|text`` for each piece, in UTF-8, LANG being ZH or EN, as
``prepare_datasets/1-get-text.py`` of GPT-SoVITS reads it; paths are absolute, and where it is given
a folder of sounds it looks for their last part only. The sounds are 32 kHz, mono, 16 bits.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visavis.apps.voice_data.choosing import Kept
from visavis.core.errors import ConfigError
from visavis.media.audio import write_wav
from visavis.media.files import finish_or_discard, unwritable

REFERENCE = "reference.wav"
REPORT = "report.json"
_MARKER = "sources.json"
_NAME = re.compile(r"[^\W_][\w-]{0,62}")


def check_name(name: str) -> None:
    """Refuse a name that cannot be one of files and of a field of the list.

    Raises:
        ConfigError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a voice cannot be called {name!r}: use letters, Chinese characters, digits, - and _,"
            " 63 at most, a letter or digit first"
        )


class Place:
    """The folder of a data set.

    Args:
        folder: May be missing.
        name: Of the voice.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder.absolute()
        self.name = name
        self.notes = self.folder / ".work"
        self.list = self.folder / f"{name}.list"
        self.reference = self.folder / REFERENCE

    def check(self) -> None:
        """Refuse a folder whose path the list cannot hold.

        Raises:
            ConfigError: It has a line break or ``|`` in it.
        """
        if re.search(r"[|\r\n]", str(self.folder)):
            raise ConfigError(
                f"the folder {str(self.folder)!r} has a character in its path that separates the"
                " fields of GPT-SoVITS' list; choose another"
            )

    def claim(self, sources: dict[str, Any], *, replace: bool) -> None:
        """Make the folder ready for a data set of certain recordings.

        Args:
            sources: What it is made from.
            replace: Whether another data set in it may be written over.

        Raises:
            ConfigError: Another data set is in it.
            OutputUnwritable: It cannot be written to.
        """
        marker = self.notes / _MARKER
        try:
            before = json.loads(marker.read_text("utf-8"))
        except (OSError, ValueError):
            before = None
        other = [p for p in self._lists() if p != self.list]
        if not replace and (other or (self.list.exists() and before != sources)):
            found = (other or [self.list])[0]
            raise ConfigError(
                f"{found} is a data set of other recordings; give --replace to write over it, or"
                " another folder"
            )
        try:
            self.notes.mkdir(parents=True, exist_ok=True)
            (self.folder / "wavs").mkdir(exist_ok=True)
        except OSError as error:
            raise unwritable(self.folder / "wavs", error) from error
        if before != sources:
            _write_json(marker, sources)

    def write(self, kept: Sequence[Kept], reference: int) -> list[dict[str, Any]]:
        """Write the sounds, the list and the reference; the list last, so that it is never wrong.

        Returns:
            The pieces, for the report.

        Raises:
            OutputUnwritable: The disk is full, say.
        """
        self._clear()
        rows, lines = [], []
        for number, piece in enumerate(kept, 1):
            path = self.folder / "wavs" / f"{self.name}_{number:04}.wav"
            write_wav(path, piece.sound)
            lines.append(f"{path}|{self.name}|{piece.language.upper()}|{piece.text}\n")
            rows.append(
                {
                    "file": f"wavs/{path.name}",
                    "text": piece.text,
                    "language": piece.language,
                    "seconds": round(piece.sound.duration, 3),
                    "doubt": round(piece.doubt, 3),
                    "source": str(piece.source),
                    "start": round(piece.start, 3),
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }
            )
        write_wav(self.reference, kept[reference].sound)
        _write_text(self.reference.with_suffix(".txt"), kept[reference].text + "\n")
        _write_text(self.list, "".join(lines))
        return rows

    def write_report(self, report: dict[str, Any], text: str) -> None:
        """Write both reports.

        Raises:
            OutputUnwritable: They cannot be.
        """
        _write_text(self.folder / "report.txt", text)
        _write_json(self.folder / REPORT, report)

    def _clear(self) -> None:
        """Delete an older data set, its list first."""
        sounds = re.compile(r".+_\d{4,}\.wav")
        old = [*self._lists(), self.folder / REPORT, self.folder / "report.txt"]
        names = [p.stem for p in self._lists()] + [self.name]
        old += [
            p
            for p in (self.folder / "wavs").iterdir()
            if sounds.fullmatch(p.name) and p.name.rsplit("_", 1)[0] in names
        ]
        try:
            for path in old:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error

    def _lists(self) -> list[Path]:
        return sorted(self.folder.glob("*.list"))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write_text(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def _write_text(path: Path, text: str) -> None:
    with finish_or_discard(path) as part:
        part.write_text(text, encoding="utf-8")
