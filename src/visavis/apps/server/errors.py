"""The one table from errors to HTTP codes, and the form in which an error goes out.

``{"error": {"code": "NoFaceFound", "message": "…", "retryable": false}}``; under ``/v1`` the form
that clients of OpenAI expect.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from visavis.core import errors as core
from visavis.knowledge.store import UnknownBase, UnknownEntry, VersionConflict

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5
"""What a client is told to wait where nothing better is known."""
UNEXPECTED = "Unexpected"
"""Code of what is no error of ours."""
METHOD_NOT_ALLOWED = "MethodNotAllowed"
"""Code of what only the framework finds."""


class RequestError(core.Error):
    """A request that the server does not take."""

    status = HTTPStatus.BAD_REQUEST
    retry_after: int | None = None


class TokenNeeded(RequestError):
    """There is no token, or a wrong one."""

    status = HTTPStatus.UNAUTHORIZED


class Refused(RequestError):
    """Not with this token, or not from a page of another site."""

    status = HTTPStatus.FORBIDDEN


class NotFound(RequestError):
    """There is nothing of that id."""

    status = HTTPStatus.NOT_FOUND


class Gone(RequestError):
    """It was there, and its time is over."""

    status = HTTPStatus.GONE


class Conflict(RequestError):
    """It does not go together with what is there."""

    status = HTTPStatus.CONFLICT


class BodyTooLarge(RequestError):
    """More bytes than are taken."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RequestInvalid(RequestError):
    """A field is missing, of another type or out of its range."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class TooManyAttempts(RequestError):
    """Wrong tokens again and again from one address."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Busy(RequestError):
    """As many requests wait for their turn as may wait."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = RETRY_SECONDS


class QueueFull(RequestError):
    """As many jobs wait as may wait."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 30


STATUS: tuple[tuple[type[core.Error], HTTPStatus], ...] = (
    (core.FileUnreadable, HTTPStatus.BAD_REQUEST),
    (core.OutputUnwritable, HTTPStatus.INSUFFICIENT_STORAGE),
    (core.AudioTooLong, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (UnknownBase, HTTPStatus.NOT_FOUND),
    (UnknownEntry, HTTPStatus.NOT_FOUND),
    (core.InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (core.LicenceNotAccepted, HTTPStatus.FORBIDDEN),
    (core.UnknownAsset, HTTPStatus.NOT_FOUND),
    (core.AssetError, HTTPStatus.SERVICE_UNAVAILABLE),
    (core.UnknownAvatar, HTTPStatus.NOT_FOUND),
    (core.UnknownVoice, HTTPStatus.NOT_FOUND),
    (core.UnknownStage, HTTPStatus.NOT_FOUND),
    (core.MissingExtra, HTTPStatus.NOT_IMPLEMENTED),
    (core.ConfigError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (core.Cancelled, HTTPStatus.CONFLICT),
    (VersionConflict, HTTPStatus.CONFLICT),
    (core.StageError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
"""Which HTTP code an error gives; the first that fits. The unexpected is 500."""


class ErrorDetail(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(title="ErrorDetail")

    code: str = Field(description="Name of the error in the server's tree.", examples=["NotFound"])
    message: str = Field(
        description="What was found and what to do.",
        examples=["there is no session 4f1c; it has ended, or never was"],
    )
    retryable: bool = Field(
        default=False, description="Whether the same request may succeed later."
    )


class ErrorBody(BaseModel):
    """Every error of the API."""

    error: ErrorDetail


class OpenAIErrorDetail(BaseModel):
    """What went wrong, in OpenAI's form."""

    message: str
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = None
    code: str | None = Field(default=None, examples=["TextUnusable"])


class OpenAIErrorBody(BaseModel):
    """Every error under ``/v1``."""

    error: OpenAIErrorDetail


def find_status(error: BaseException) -> HTTPStatus:
    """Look an error up in the table."""
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, core.StageError) and error.retryable:
        return HTTPStatus.SERVICE_UNAVAILABLE
    found = (status for kind, status in STATUS if isinstance(error, kind))
    return next(found, HTTPStatus.INTERNAL_SERVER_ERROR)


def describe(error: BaseException) -> ErrorDetail:
    """Put an error into the API's form; of the unexpected only that it happened."""
    if not isinstance(error, core.Error):
        return ErrorDetail(
            code=UNEXPECTED,
            message="something unexpected happened here; the server's log says what",
            retryable=False,
        )
    retryable = find_status(error) in (
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.TOO_MANY_REQUESTS,
    ) and not isinstance(error, core.AssetError)
    message = " ".join(str(error).split())
    return ErrorDetail(code=type(error).__name__, message=message, retryable=retryable)


def find_retry(error: BaseException) -> int | None:
    """Give the seconds to wait before the same request is worth another try."""
    if isinstance(error, RequestError):
        return error.retry_after
    if isinstance(error, core.SessionsFull):
        return max(1, round(error.retry_after))
    return RETRY_SECONDS if describe(error).retryable else None


def make_response(error: BaseException, path: str) -> JSONResponse:
    """Make the response that tells an error, in the form that its path has."""
    status, detail = find_status(error), describe(error)
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        headers["Connection"] = "close"  # what is still being sent is not read to its end
    retry_after = find_retry(error)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return JSONResponse(shape_error(detail, status, path), int(status), headers)


def shape_error(detail: ErrorDetail, status: int, path: str = "") -> dict[str, Any]:
    """Give an error's JSON as a path's clients expect it."""
    if not path.startswith("/v1/"):
        return ErrorBody(error=detail).model_dump()
    kind = "invalid_request_error" if status < 500 else "server_error"
    if status == HTTPStatus.UNAUTHORIZED:
        kind = "authentication_error"
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        kind = "rate_limit_error"
    inner = OpenAIErrorDetail(message=detail.message, type=kind, code=detail.code)
    return OpenAIErrorBody(error=inner).model_dump()


def install(app: FastAPI) -> None:
    """Let an app tell every error in this form."""
    handlers: dict[type[Exception], Any] = {
        core.Error: _tell,
        RequestValidationError: _tell_invalid,
        HTTPException: _tell_http,
        Exception: _tell,
    }
    for kind, tell in handlers.items():
        app.add_exception_handler(kind, tell)


async def _tell(connection: HTTPConnection, error: Exception) -> JSONResponse | None:
    response = make_response(error, connection.url.path)
    if response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("%s failed", connection.url.path, exc_info=error)
    if isinstance(connection, WebSocket):
        await connection.send_denial_response(response)
        return None
    return response


async def _tell_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return make_response(RequestInvalid(describe_invalid(error)), request.url.path)


def describe_invalid(error: RequestValidationError) -> str:
    """Say what is wrong with the first field, and how many more there are."""
    found = error.errors()
    first = found[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    if first["type"] == "json_invalid":
        return "the body is not JSON; send a JSON object"
    said = str(first["msg"])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    where = f"the field {place!r}" if place else "the body"
    return f"{where} cannot be used: {said[:1].lower()}{said[1:]}{more}; see /api/docs"


async def _tell_http(connection: HTTPConnection, error: Exception) -> JSONResponse | None:
    """Tell what the framework itself refuses, such as an unknown path."""
    assert isinstance(error, HTTPException)
    path = connection.url.path
    messages = {
        404: f"there is nothing at {path}; see /api/docs for what there is",
        405: f"{path} does not take this method; see /api/docs",
    }
    codes = {404: "NotFound", 405: METHOD_NOT_ALLOWED, 413: "BodyTooLarge"}
    status = error.status_code
    detail = ErrorDetail(
        code=codes.get(status, "RequestInvalid"),
        message=messages.get(status, str(error.detail)),
        retryable=False,
    )
    response = JSONResponse(shape_error(detail, status, path), status, error.headers)
    if isinstance(connection, WebSocket):
        await connection.send_denial_response(response)
        return None
    return response


ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": about}
    for status, about in (
        (401, "There is no token, or a wrong one."),
        (422, "A field or what it holds cannot be used."),
        (503, "The server is busy or lacks something; see `Retry-After`."),
    )
}
"""For the OpenAPI description of every route."""

OPENAI_ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {**about, "model": OpenAIErrorBody} for status, about in ERROR_RESPONSES.items()
}
