"""Which store the commands of `visavis kb` work on."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from visavis.knowledge.store import BaseInfo, KnowledgeStore

_KEY = "visavis.knowledge"


def store_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--store``; of the group and its command, the command's goes before."""

    def remember(context: click.Context, _: click.Parameter, value: str) -> None:
        if value.strip():
            context.meta[_KEY] = value.strip()

    return click.option(
        "--store",
        metavar="PATH|URL",
        default="",
        expose_value=False,
        callback=remember,
        help="SQLite file or postgresql://…, as in VISAVIS_KNOWLEDGE.",
    )(command)


def reranker_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--reranker``, the folder of a cross-encoder."""
    return click.option(
        "--reranker",
        metavar="FOLDER",
        default="",
        help="Order what is found anew by this cross-encoder, exported to ONNX. The first time it"
        " learns from the bases, for a minute or several.",
    )(command)


def given_place() -> str:
    """Return the place that was asked for or set; empty for the user's own."""
    from visavis.apps.settings import load_settings

    return str(click.get_current_context().meta.get(_KEY) or load_settings().knowledge)


def find_store() -> tuple[str, bool]:
    """Return the place of the store, and whether something is there; a server is taken to be.

    Raises:
        ConfigError: It is no place of a store.
    """
    from visavis.knowledge.live import default_place
    from visavis.knowledge.store.place import find_url

    place = given_place() or str(default_place())
    url = find_url(place)
    if url.get_backend_name() != "sqlite":
        return place, True
    return place, Path(str(url.database)).exists()


@contextlib.contextmanager
def open_store(*, make: bool = False) -> Iterator[KnowledgeStore]:
    """Open the store, and close it afterwards.

    Args:
        make: Whether to make it where it is not there.

    Raises:
        ConfigError: It is not there, or cannot be used.
        MissingExtra: It is PostgreSQL, whose driver is not installed.
        StoreUnavailable: It does not answer.
    """
    from visavis.core.errors import ConfigError
    from visavis.knowledge.store import KnowledgeStore

    place, there = find_store()
    if not there and not make:
        raise ConfigError(
            f"there is no knowledge store {place}; `visavis kb import` makes one,"
            " and --store or VISAVIS_KNOWLEDGE names another"
        )
    with KnowledgeStore(place) as store:
        yield store


def find_base(store: KnowledgeStore, name: str) -> BaseInfo | None:
    """Return what is known of a base; None where there is none of that name."""
    return next((info for info in store.bases() if info.name == name), None)


def author() -> str:
    """Return who changes a base: the user's name on this machine."""
    try:
        return getpass.getuser()[:100]
    except (OSError, KeyError, ImportError):
        return ""
