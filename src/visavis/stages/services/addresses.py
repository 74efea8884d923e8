"""Where a server is, and the key that it asks for."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from visavis.core.errors import ConfigError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """A server.

    Attributes:
        url: Without a slash at its end; it holds no key.
        setting: Where the address was set, as errors name it.
        key: Sent as the bearer token; empty where the server asks for none. Never shown.
        key_setting: The environment variable that the key is read from.
    """

    url: str
    setting: str
    key: str = field(default="", repr=False)
    key_setting: str = ""

    @property
    def server(self) -> str:
        """Host and port, as errors name it."""
        return urlsplit(self.url).netloc

    @property
    def is_local(self) -> bool:
        """Whether it is this machine, which no proxy leads to."""
        return urlsplit(self.url).hostname in _LOOPBACK

    def redact(self, text: str) -> str:
        """Take the key out of a text that the server sent."""
        return text.replace(self.key, "[key]") if self.key else text


def check_url(
    url: str, setting: str, example: str, schemes: tuple[str, ...] = ("http", "https")
) -> str:
    """Check the address of a server and take the slash from its end.

    Args:
        url: As somebody wrote it.
        setting: Where, for errors.
        example: A right one, for errors.
        schemes: That it may have.

    Raises:
        ConfigError: It is none, or holds a name or password.
    """
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{setting} is not the address of a server; write it as in {example}")
    if "@" in parts.netloc:
        raise ConfigError(
            f"{setting} holds a name or password; keys are read from the environment only"
        )
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def read_key(variable: str, file_variable: str = "") -> str:
    """Read a key from the environment; empty where there is none.

    Args:
        variable: Holds the key.
        file_variable: Names a file that holds it, where the other one is not set.

    Raises:
        ConfigError: The file cannot be read, or the key has characters that no key has.
    """
    key = os.environ.get(variable, "").strip()
    if not key and file_variable and (name := os.environ.get(file_variable, "").strip()):
        try:
            key = Path(name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigError(
                f"the file {name} that {file_variable} names cannot be read: {why};"
                " it must hold the key alone"
            ) from None
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(f"the key in {variable} has characters that no key has; copy it anew")
    return key
