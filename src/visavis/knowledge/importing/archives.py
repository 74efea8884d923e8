"""Office files are ZIP archives; this looks at one before anything of it is unpacked."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from visavis.core.errors import FileUnreadable

_MOST_PARTS = 5_000


def check_archive(content: bytes, path: Path, *, kind: str, part: str, most_bytes: int) -> None:
    """Make sure that an office file can be opened without harm.

    Args:
        content: The whole file.
        path: For messages.
        kind: What it should be, such as ``workbook``.
        part: Which part makes it one, such as ``xl/workbook.xml``.
        most_bytes: Of all parts together, unpacked.

    Raises:
        FileUnreadable: It is encrypted, damaged, something else, unpacks to too much, or declares
            XML entities.
    """
    again = f"open it in an office program and save it again as {path.suffix or 'such'}"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if any(entry.flag_bits & 1 for entry in parts):
                raise FileUnreadable(f"{path} is encrypted; save it without a password")
            # Python's zipfile reads no more of a part than its header says, so this holds.
            size = sum(entry.file_size for entry in parts)
            if size > most_bytes or len(parts) > _MOST_PARTS:
                raise FileUnreadable(
                    f"{path} unpacks to {size >> 20} MB in {len(parts)} parts; "
                    f"{most_bytes >> 20} MB in {_MOST_PARTS} are allowed, split it"
                )
            if part not in archive.namelist():
                raise FileUnreadable(f"{path} is an archive and no {kind}; {again}")
            for entry in parts:
                if entry.filename.endswith((".xml", ".rels")):
                    with archive.open(entry) as file:
                        if b"<!DOCTYPE" in file.read(4096):
                            raise FileUnreadable(
                                f"{path} declares XML entities, which no office program does; "
                                f"{again}"
                            )
    # A damaged archive gives zlib.error, EOFError, NotImplementedError, struct.error and others.
    except FileUnreadable:
        raise
    except Exception as error:
        raise FileUnreadable(
            f"{path} is a broken {kind} ({type(error).__name__}); {again}"
        ) from error
