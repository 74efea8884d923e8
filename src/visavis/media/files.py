"""Files that appear whole or not at all, and operating-system errors as one clear sentence."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import stat
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
    check_input(path)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def check_input(path: str | Path) -> int:
    """Return a file's size, after making sure that it is one.

    Raises:
        FileUnreadable: It is missing, a folder, a device or pipe, empty, or not allowed.
    """
    try:
        found = Path(path).stat()
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, "may not be read")
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise FileUnreadable(f"{path} is a device or a pipe; save its content as a file first")
    if not found.st_size:
        raise FileUnreadable(f"{path} is empty (0 bytes); give a complete file")
    return found.st_size


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
    token = secrets.token_hex(4)
    try:
        target = _follow(path)
        name = f"{target.name}.{token}.part"
        if len(os.fsencode(name)) > _LONGEST_NAME:
            name = f"{token}.part"
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        if target.exists() and not target.is_file():
            # Renaming over /dev/null would take it away from the whole machine.
            raise OutputUnwritable(f"{path} is a device or a pipe; name a file")
        part = target.with_name(name)
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
        os.replace(part, _follow(path))
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


def _follow(path: str | Path) -> Path:
    """Where a link leads, so that the file is replaced and not the link."""
    path = Path(path)
    return path.resolve() if path.is_symlink() else path


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
