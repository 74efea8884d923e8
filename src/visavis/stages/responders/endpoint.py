"""Which chat server is asked, for which model, with which key."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from visavis.core.errors import ConfigError

URL, MODEL = "VISAVIS_LLM_URL", "VISAVIS_LLM_MODEL"
KEY, KEY_FILE = "VISAVIS_LLM_KEY", "VISAVIS_LLM_KEY_FILE"
EMBEDDED = "embedded"
"""Name of the model that runs in this process."""
_EXAMPLE = f"{URL}=http://localhost:11434/v1 {MODEL}=qwen2.5:7b"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model on a server that speaks OpenAI's chat API.

    Attributes:
        url: Up to and with ``/v1``; it holds no key.
        model: As the server names it.
        key: Sent as the bearer token; empty where the server asks for none. Never shown.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)

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


def find_endpoint(
    url: str | None = None, model: str | None = None, key: str | None = None
) -> Endpoint:
    """Put an endpoint together from what is given and, where nothing is, from the environment.

    Args:
        url: Else VISAVIS_LLM_URL. A bare host gets ``/v1``; ``/chat/completions`` is taken off.
        model: Else VISAVIS_LLM_MODEL. ``embedded``, with no URL set, is the model that runs in this
            process; it is loaded now, which takes seconds.
        key: Else VISAVIS_LLM_KEY, else what the file VISAVIS_LLM_KEY_FILE holds, else none.

    Raises:
        ConfigError: There is no URL or model, or one of the three cannot be used.
        MissingExtra, MissingWeights, StageError: The embedded model cannot be loaded.
    """
    url, model = _given(url, URL), _given(model, MODEL)
    if not url and model == EMBEDDED:
        from visavis.models.local_llm.server import open_shared

        address = open_shared()
        return Endpoint(address.url, EMBEDDED, address.key)
    if not url:
        raise ConfigError(
            f"no language model is set: set {URL} to a server that speaks OpenAI's chat API,"
            f" and {MODEL} to a model of it; for a local Ollama: {_EXAMPLE};"
            f" for the small one of this package: {MODEL}={EMBEDDED}"
        )
    if not model:
        raise ConfigError(
            f"{URL} is set and {MODEL} is not; set it to the name of a model that the server has"
        )
    if key is None:
        key = os.environ.get(KEY, "").strip() or _read_key()
    key = key.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(f"the key in {KEY} has characters that no key has; copy it once more")
    return Endpoint(_clean_url(url), model, key)


def _given(value: str | None, variable: str) -> str:
    return (os.environ.get(variable, "") if value is None else value).strip()


def _clean_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{URL} is not the address of a server; write it as in {_EXAMPLE}")
    if "@" in parts.netloc:
        raise ConfigError(f"{URL} holds a name or password; put the key into {KEY} instead")
    path = parts.path.rstrip("/").removesuffix("/chat/completions").rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path or "/v1", "", ""))


def _read_key() -> str:
    name = os.environ.get(KEY_FILE, "").strip()
    if not name:
        return ""
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(
            f"the file {name} that {KEY_FILE} names cannot be read: {why}; it must hold the key alone"
        ) from None
