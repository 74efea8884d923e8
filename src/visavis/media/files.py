"""Files that appear whole or not at all, and operating-system errors as one clear sentence."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from visavis.core.errors import FileUnreadable, OutputUnwritable

_LOG = logging.getLogger(__name__)
_LONGEST_NAME = 255
"""Bytes in a file name on the common file systems."""


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file.

    Raises:
        FileUnreadable: It is missing, a folder, empty or not allowed.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not data:
        raise FileUnreadable(f"{path} is empty (0 bytes); give a complete file")
    return data


def unreadable(path: str | Path, error: Exception) -> FileUnreadable:
    """Say why a file cannot be opened."""
    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        return FileUnreadable(f"there is no file {path}; check the name")
    if code == errno.EISDIR:
        return FileUnreadable(f"{path} is a folder; name a file in it")
    if code in (errno.EACCES, errno.EPERM):
        return FileUnreadable(f"{path} may not be read; change its permissions or copy it")
    if isinstance(error, ValueError):  # a NUL in the name
        return FileUnreadable(f"{str(path)!r} is not a possible file name; check it")
    return FileUnreadable(f"{path} cannot be read ({_reason(error)}); try another copy of it")


def unwritable(path: str | Path, error: Exception) -> OutputUnwritable:
    """Say why a result cannot be written."""
    path = Path(path)
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT):
        return OutputUnwritable(f"the disk is full, so {path} was not written; free some space")
    if code == errno.EFBIG:
        return OutputUnwritable(
            f"{path} grew over the largest file size allowed here; write it somewhere else"
        )
    if code == errno.EROFS:
        return OutputUnwritable(f"{path.parent} is read-only; name a folder that can be written")
    if code in (errno.EACCES, errno.EPERM):
        return OutputUnwritable(f"{path.parent} may not be written to; name another folder")
    if code in (errno.ENOENT, errno.ENOTDIR):
        return OutputUnwritable(f"{path.parent} is not a folder; create it or name another")
    if code == errno.EISDIR:
        return OutputUnwritable(f"{path} is a folder; name a file in it")
    if code == errno.ENAMETOOLONG:
        return OutputUnwritable(f"the name {path.name[:40]}… is too long; choose a shorter one")
    if isinstance(error, ValueError):
        return OutputUnwritable(f"{str(path)!r} is not a possible file name; choose another")
    return OutputUnwritable(f"{path} cannot be written ({_reason(error)}); name another place")


def create_part(path: str | Path) -> Path:
    """Create the empty file beside ``path`` that becomes it when finished.

    The name is new each time, so that two processes with one target do not mix.

    Raises:
        OutputUnwritable: The folder is missing or read-only, or ``path`` is a folder.
    """
    path = Path(path)
    token = secrets.token_hex(4)
    name = f"{path.name}.{token}.part"
    try:
        if len(os.fsencode(name)) > _LONGEST_NAME:
            name = f"{token}.part"
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        part = path.with_name(name)
        # Like any new file it obeys the umask, which tempfile.mkstemp would not.
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error
    return part


def commit_part(part: Path, path: str | Path) -> None:
    """Give a finished file its final name, on disk before it is visible.

    Raises:
        OutputUnwritable: It cannot be; the part is deleted.
    """
    try:
        handle = os.open(part, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(part, path)
    except OSError as error:
        discard_part(part)
        raise unwritable(path, error) from error


def discard_part(part: Path) -> None:
    """Delete an unfinished file, if it is there."""
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        _LOG.warning("the unfinished file %s could not be deleted: %s", part, error)


@contextlib.contextmanager
def finish_or_discard(path: str | Path) -> Iterator[Path]:
    """Give a path to write to; it becomes ``path`` on success and vanishes on any exception.

    Raises:
        OutputUnwritable: An OSError inside the block, or the place cannot be written.
    """
    part = create_part(path)
    try:
        yield part
    except OSError as error:
        discard_part(part)
        raise unwritable(path, error) from error
    except BaseException:
        discard_part(part)
        raise
    commit_part(part, path)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
