"""What goes wrong between here and a server, as errors of one clear sentence."""

from __future__ import annotations

import email.utils
import json
import math
import time
from collections.abc import Mapping
from typing import Any

from visavis.core.errors import ConfigError, Error, StageError
from visavis.stages.services.addresses import Address

_TOLD = 200
"""Characters of the server's own words that an error repeats."""


class CallFailure(Exception):
    """An attempt that failed, before it is decided whether there is another one.

    Args:
        error: What is raised when there is none.
        again: Whether the same call may succeed at once or soon.
        after: Seconds that the server asks to wait; None where it does not say.
        status: Of the HTTP answer, or None.
    """

    def __init__(
        self,
        error: Error,
        *,
        again: bool = False,
        after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.again = again
        self.after = after
        self.status = status


def explain_status(
    status: int, headers: Mapping[str, str], body: bytes, what: str, address: Address
) -> CallFailure:
    """Tell what an answer other than 200 means.

    Args:
        status: Of HTTP.
        headers: With names in small letters.
        body: Its beginning.
        what: The server, such as ``the speech server``.
        address: That was called.
    """
    server, told = f"{what} {address.server}", tell(read_message(body), address)
    if status in (401, 403):
        key = address.key_setting or "the key's variable (see the settings of this service)"
        return CallFailure(
            ConfigError(f"{server} refuses the key; set {key} to a valid one"), status=status
        )
    if status in (404, 405, 410) or 300 <= status < 400:
        return CallFailure(
            ConfigError(f"{server} does not know what was asked ({told}); see {address.setting}"),
            status=status,
        )
    if status == 402:
        return CallFailure(
            StageError(f"the account at {address.server} has no credit left; top it up"),
            status=status,
        )
    after = read_retry_after(headers)
    if status in (429, 503):
        wait = f"in {math.ceil(after)} s" if after is not None else "in a while"
        error = StageError(f"{server} is busy ({status}); try again {wait}", retryable=True)
        return CallFailure(error, again=True, after=after, status=status)
    if status in (408, 409, 425) or status >= 500:
        error = StageError(f"{server} failed with status {status}: {told}", retryable=True)
        return CallFailure(error, again=True, after=after, status=status)
    return CallFailure(
        StageError(f"{server} refuses the request ({status}): {told}"), status=status
    )


def explain_exception(error: Exception, what: str, address: Address) -> CallFailure:
    """Tell what an exception of the HTTP client, or of what is below it, means."""
    name = type(error).__name__
    if "Timeout" in name:
        text = f"{what} {address.server} cannot be reached in time; see that it runs"
    elif isinstance(error, OSError) or type(error).__module__.partition(".")[0] in (
        "httpx",
        "httpcore",
        "anyio",
        "ssl",
        "websockets",
    ):
        text = (
            f"the connection to {what} {address.server} failed or broke ({name});"
            f" see that it runs and that {address.setting} is right"
        )
    else:
        return CallFailure(
            StageError(f"asking {what} {address.server} failed ({name}); its log may say why")
        )
    return CallFailure(StageError(text, retryable=True), again=True)


def garbled(what: str, address: Address, found: str) -> CallFailure:
    """What is raised when an answer is not as the API says."""
    return CallFailure(
        StageError(
            f"what came from {what} {address.server} is not what its API says: {found};"
            f" see {address.setting}"
        )
    )


def late(what: str, address: Address, seconds: float, *, began: bool) -> CallFailure:
    """What is raised when nothing came for too long: at the beginning, or later."""
    did = "went silent" if began else "gave no answer"
    error = StageError(
        f"{what} {address.server} {did} for {seconds:g} s; try again, or see its log",
        retryable=True,
    )
    return CallFailure(error)


def read_message(body: bytes) -> str:
    """Find what a server says in an error, in the ways that the known servers write it."""
    text = body.decode("utf-8", "replace")
    try:
        found: Any = json.loads(text)
    except ValueError:
        return "" if text.lstrip().startswith("<") else text
    for _ in range(4):
        if isinstance(found, list) and found:
            found = found[0]
        elif isinstance(found, dict):
            inner = [found[k] for k in ("error", "detail", "message", "msg") if found.get(k)]
            # GPT-SoVITS says only there what was wrong.
            reason = found.get("Exception")
            found = f"{inner[0] if inner else ''} {reason}" if reason else (inner or [""])[0]
        else:
            break
    if not isinstance(found, str):
        return ""
    if "Traceback (most recent call last)" in found:
        lines = [line for line in found.splitlines() if line.strip()]
        return lines[-1]
    return found


def tell(text: str, address: Address) -> str:
    """Shorten a server's own words to a line without the key."""
    plain = " ".join(address.redact(text).split())
    plain = "".join(c for c in plain if c.isprintable())
    if not plain:
        return "it does not say why"
    return plain if len(plain) <= _TOLD else plain[:_TOLD] + " …"


def read_retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Read how many seconds a server asks to wait, as a number or as a date; None where it does not.

    Source: RFC 9110, section 10.2.3.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(value).timestamp()
        except (ValueError, OverflowError):
            return None
        seconds = moment - (time.time() if now is None else now)
    return max(0.0, seconds) if math.isfinite(seconds) else None
