"""llama.cpp's own chat server inside this process, on a loopback port that the system chooses.

It speaks OpenAI's chat API, so that whoever asks it needs to know nothing of it but address and key. The
key is made anew for each run: other users of the machine can reach the port and cannot use it.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visavis.core.errors import MissingExtra, StageError
from visavis.models import assets

logger = logging.getLogger(__name__)

ASSET = "qwen2.5-coder-1.5b-instruct"
CONTEXT = 4_096
"""Tokens of prompt and answer together; the model can read 32,768, at 28 kB of memory each."""
MAX_THREADS = 8


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """Where the server listens.

    Attributes:
        url: Up to and with ``/v1``.
        key: To be sent as the bearer token.
    """

    url: str
    key: str = field(repr=False)


class LocalServer:
    """A model that is loaded, and its server; it runs until it is closed."""

    def __init__(
        self, path: Path | None = None, *, threads: int | None = None, context: int = CONTEXT
    ) -> None:
        """Load the model, which takes seconds and 1.9 GB, and begin to listen.

        Args:
            path: A GGUF file; the catalogue's by default.
            threads: Of the processor; as many as it has by default, eight at most.
            context: Tokens of prompt and answer together.

        Raises:
            MissingExtra: The extra ``local-llm`` is not installed.
            MissingWeights: The model is not on this machine.
            StageError: The file cannot be loaded.
        """
        try:
            import xllamacpp
        except ModuleNotFoundError as error:
            raise MissingExtra(
                f'the embedded language model needs the package {error.name!r}: pip install "visavis[local-llm]"'
            ) from error
        path = path or assets.locate(ASSET)
        key = secrets.token_hex(24)
        parameters = _set_parameters(xllamacpp.CommonParams(), path, key, threads, context)
        try:
            self._server: Any = xllamacpp.Server(parameters)
            url = str(self._server.listening_address).rstrip("/")
        except (RuntimeError, ValueError, OSError) as error:
            raise StageError(
                f"the language model {path.name} cannot be loaded ({error});"
                " run `visavis models verify`, and see that 2 GB of memory are free"
            ) from error
        self.address = LocalAddress(f"{url}/v1", key)
        logger.info("the embedded language model listens at %s", url)

    def close(self) -> None:
        """Stop listening and free the model. Safe to call twice."""
        self._server = None


def _set_parameters(
    parameters: Any, path: Path, key: str, threads: int | None, context: int
) -> Any:
    threads = threads or min(_count_processors(), MAX_THREADS)
    parameters.model.path = str(path)
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [key]
    parameters.n_ctx = context
    # Sessions wait for one another: two at once would each be half as fast.
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.ui = False
    parameters.endpoint_props = False
    parameters.endpoint_slots = False
    parameters.offline = True
    parameters.verbosity = -1
    return parameters


def _count_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_lock = threading.Lock()
_shared: LocalServer | None = None


def open_shared() -> LocalAddress:
    """Give the address of the one server of this process, which is started when it is first asked for.

    Raises:
        MissingExtra, MissingWeights, StageError: As `LocalServer`.
    """
    global _shared
    with _lock:
        if _shared is None:
            _shared = LocalServer()
            atexit.register(close_shared)
        return _shared.address


def close_shared() -> None:
    """Stop the server of this process, if it runs."""
    global _shared
    with _lock:
        if _shared is not None:
            _shared.close()
            _shared = None
