"""What goes wrong between here and a chat server, as errors of one clear sentence."""

from __future__ import annotations

import email.utils
import json
import math
import time
from collections.abc import Mapping
from typing import Any

from visavis.core.errors import ConfigError, Error, StageError, TextUnusable
from visavis.stages.responders.endpoint import KEY, MODEL, URL, Endpoint

_TOLD = 200
"""Characters of the server's own words that an error repeats."""


class ChatFailure(Exception):
    """An attempt that failed, before it is decided whether there is another one.

    Args:
        error: What is raised when there is none.
        again: Whether the same request may succeed.
        after: Seconds that the server asks to wait; None where it does not say.
        unsupported: A parameter that the model does not take; empty where that is not the reason.
    """

    def __init__(
        self,
        error: Error,
        *,
        again: bool = False,
        after: float | None = None,
        unsupported: str = "",
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.again = again
        self.after = after
        self.unsupported = unsupported


def explain(error: Exception, endpoint: Endpoint) -> ChatFailure:
    """Tell what an exception of the client, or of what is below it, means."""
    import openai

    server = endpoint.server
    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, endpoint)
    if isinstance(error, openai.APITimeoutError):
        return _retryable(
            f"the language model server {server} cannot be reached in time; see that it runs",
            again=True,
        )
    # Releases of the client differ in whether what breaks while streaming comes wrapped.
    broken = type(error).__module__.partition(".")[0] in (
        "httpx",
        "httpx2",
        "httpcore",
        "anyio",
        "ssl",
    )
    if isinstance(error, openai.APIConnectionError | OSError) or broken:
        return _retryable(
            f"the connection to the language model server {server} failed or broke;"
            f" see that it runs and that {URL} is right",
            again=True,
        )
    if isinstance(error, openai.APIError):
        told = _told(error.message, endpoint)
        return _retryable(f"the language model server {server} broke off: {told}; ask again")
    if isinstance(error, ValueError | TypeError | AttributeError | KeyError):
        return ChatFailure(garbled(endpoint))
    return ChatFailure(
        StageError(
            f"asking the language model server {server} failed ({type(error).__name__});"
            " the server's log may say why"
        )
    )


def garbled(endpoint: Endpoint) -> StageError:
    """What is raised when an answer is not as the API says."""
    return StageError(
        f"what came from {endpoint.server} is not OpenAI's chat API;"
        f" see that {URL} is the address of a chat server and ends as its manual says"
    )


def late(endpoint: Endpoint, seconds: float, began: bool) -> ChatFailure:
    """What is raised when nothing came for too long: before the first token, or after it."""
    what = "went silent" if began else "gave no answer"
    return _retryable(
        f"the language model server {endpoint.server} {what} for {seconds:g} s;"
        " ask again, or give it a smaller model or more time"
    )


def read_retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Read how many seconds a server asks to wait, as a number or as a date; None where it does not.

    Source: RFC 9110, section 10.2.3; ``retry-after-ms`` is OpenAI's own.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                moment = email.utils.parsedate_to_datetime(value).timestamp()
            except (ValueError, OverflowError):
                continue
            seconds = moment - (time.time() if now is None else now)
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _explain_status(error: Any, endpoint: Endpoint) -> ChatFailure:
    status, server = int(error.status_code), endpoint.server
    body, code = _read_body(error)
    told = _told(body, endpoint)
    if status in (401, 403):
        return ChatFailure(
            ConfigError(
                f"the language model server {server} refuses the key; set {KEY} to a valid one"
            )
        )
    if status == 404 and ("model" in code or "model" in body.lower()):
        return ChatFailure(
            ConfigError(
                f"the language model server {server} has no model {endpoint.model!r};"
                f" set {MODEL} to one that it lists"
            )
        )
    if status in (404, 405, 410):
        return ChatFailure(
            ConfigError(
                f"there is no chat API at {endpoint.url}; set {URL} right, mostly it ends in /v1"
            )
        )
    if status == 402 or "insufficient" in code:
        return ChatFailure(
            StageError(f"the account at {server} has no credit left; its owner must top it up")
        )
    after = read_retry_after(error.response.headers)
    if status == 429:
        wait = f"in {math.ceil(after)} s" if after is not None else "in a while"
        return _retryable(
            f"the language model server {server} has too many requests; ask again {wait}",
            again=True,
            after=after,
        )
    if status in (408, 409) or status >= 500:
        return _retryable(
            f"the language model server {server} failed with status {status}; ask again",
            again=True,
            after=after,
        )
    if status == 413 or "context" in code or "context length" in body.lower():
        return ChatFailure(
            TextUnusable(
                "the dialogue is longer than the language model can read; ask a shorter question,"
                " or begin a new dialogue"
            )
        )
    parameter = str(error.param or "")
    unsupported = parameter if parameter in ("max_tokens", "temperature", "tools") else ""
    if not unsupported and "support" in body.lower() and "tools" in body.lower():
        unsupported = "tools"
    return ChatFailure(
        StageError(f"the language model server {server} refuses the request ({status}): {told}"),
        unsupported=unsupported,
    )


def _read_body(error: Any) -> tuple[str, str]:
    """Return what a server says in an error, and its code or type in small letters."""
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            code = f"{inner.get('code') or ''} {inner.get('type') or ''}".lower()
            return str(inner.get("message") or ""), code
        return str(inner), ""
    return body if isinstance(body, str) else "", ""


def read_inner_error(body: bytes) -> str | None:
    """Return the message of an error that came as a whole JSON answer; None where it is none."""
    try:
        error = json.loads(body).get("error")
    except (ValueError, AttributeError):
        return None
    if not error:
        return None
    return str(error.get("message") if isinstance(error, dict) else error)


def _told(text: str, endpoint: Endpoint) -> str:
    plain = " ".join(endpoint.redact(text).split())
    return (
        plain
        if 0 < len(plain) <= _TOLD
        else plain[:_TOLD] + " …"
        if plain
        else "it does not say why"
    )


def _retryable(message: str, *, again: bool = False, after: float | None = None) -> ChatFailure:
    return ChatFailure(StageError(message, retryable=True), again=again, after=after)
