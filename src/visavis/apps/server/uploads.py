"""Bodies of requests: JSON or a form with a file, the file streamed to disk."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile

from visavis.apps.server.errors import RequestInvalid
from visavis.core.errors import Error, FileUnreadable
from visavis.media.files import unwritable

M = TypeVar("M", bound=BaseModel)

_SUFFIXES = frozenset(
    [
        ".wav",
        ".mp3",
        ".m4a",
        ".aac",
        ".ogg",
        ".oga",
        ".opus",
        ".flac",
        ".webm",
        ".mp4",
        ".mov",
        ".mkv",
        ".avi",
        ".mpeg",
        ".mpga",
        ".wma",
        ".amr",
        ".aiff",
        ".jpg",
        ".jpeg",
        ".png",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".heic",
        ".avif",
    ]
)
_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that lies on disk now.

    Attributes:
        path: Where, under a name of our own.
        shown: Its sender's name for it, to speak of it.
    """

    path: Path
    shown: str

    def rename(self, error: Error) -> Error:
        """Let an error speak of the file as its sender called it, and of no place here."""
        said = str(error).replace(str(self.path), self.shown).replace(self.path.name, self.shown)
        error.args = (said, *error.args[1:])
        return error


@asynccontextmanager
async def read_order(
    request: Request, model: type[M]
) -> AsyncIterator[tuple[M, UploadFile | None]]:
    """Read a body that is JSON, or a form whose one file is in the field ``file``.

    The file is there for as long as the block lasts.

    Raises:
        RequestValidationError: A field is missing, unknown, or not what it should be.
        RequestInvalid: The body is neither JSON nor a form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with request.form(max_files=1, max_fields=50) as form:
            yield _read_form(model, form)
        return
    if kind not in ("", "application/json") and not kind.endswith("+json"):
        raise RequestInvalid(f"a body of type {kind[:60]!r} is not taken; send JSON or a form")
    try:
        content = json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError):
        raise RequestInvalid("the body is not JSON; send a JSON object") from None
    yield _validate(model, content, strict=True), None


def _read_form(model: type[M], form: FormData) -> tuple[M, UploadFile | None]:
    fields: dict[str, Any] = {}
    upload: UploadFile | None = None
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            fields[name] = value
        elif name == "file":
            upload = value
        else:
            raise RequestInvalid(
                f"the file came in the field {name[:40]!r}; send it in the field 'file'"
            )
    return _validate(model, fields, strict=False), upload


def _validate(model: type[M], content: Any, *, strict: bool) -> M:
    try:
        # A form knows texts only; JSON says what is a number and what is not.
        if strict:
            return model.model_validate_json(json.dumps(content), strict=True)
        return model.model_validate(content)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


@asynccontextmanager
async def keep_upload(upload: UploadFile) -> AsyncIterator[Upload]:
    """Keep an upload on disk for as long as a block lasts.

    Errors inside speak of it as its sender called it.

    Raises:
        FileUnreadable: It is empty.
        OutputUnwritable: The disk is full.
    """
    folder = TemporaryDirectory(prefix="visavis-", ignore_cleanup_errors=True)
    with folder as name:
        kept = await save_upload(upload, Path(name))
        try:
            yield kept
        except Error as error:
            raise kept.rename(error) from error.__cause__


async def save_upload(upload: UploadFile, folder: Path, stem: str = "input") -> Upload:
    """Save an upload into a folder, under a name of our own with its own ending.

    Raises:
        FileUnreadable: It is empty.
        OutputUnwritable: The disk is full or the folder cannot be written.
    """
    shown = show_name(upload.filename or "")
    suffix = PurePosixPath(shown).suffix.lower()
    path = folder / f"{stem}{suffix if suffix in _SUFFIXES else ''}"

    def write() -> int:
        with path.open("wb") as file:
            shutil.copyfileobj(upload.file, file, 1 << 20)
            return file.tell()

    try:
        size = await asyncio.to_thread(write)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise unwritable(path, error) from error
    if not size:
        raise FileUnreadable(f"{shown} is empty (0 bytes); send a complete file")
    return Upload(path, shown)


def show_name(name: str) -> str:
    """Reduce a sender's file name to what may be shown: no folders, no control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    clean = "".join(c for c in last if c.isprintable()).strip()
    if not clean or clean in (".", ".."):
        return "the file"
    return clean if len(clean) <= _LONGEST_SHOWN else f"…{clean[1 - _LONGEST_SHOWN :]}"


def describe_order(model: type[BaseModel], example: Mapping[str, Any], file: str) -> dict[str, Any]:
    """Describe a body that ``read_order`` reads, for OpenAPI.

    Args:
        model: Of the fields.
        example: Of JSON.
        file: What the file is.
    """
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    form = {
        **schema,
        "title": f"{schema.get('title', model.__name__)}Form",
        "properties": {
            **schema["properties"],
            "file": {"type": "string", "format": "binary", "description": file},
        },
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": schema, "example": dict(example)},
                "multipart/form-data": {"schema": form},
            },
        }
    }
