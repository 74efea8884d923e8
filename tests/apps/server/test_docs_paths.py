"""Every address that the documents of the live server name is one of the server's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import WebSocketRoute

from visavis.apps.server.api import live, realtime

FOLDER = Path(__file__).parents[3] / "docs" / "live"
DOCUMENTS = sorted(FOLDER.glob("*.md"))
SHORT = {"$K": "/api/v1/knowledge/bases", "$URL": "", "{url}": "", "https://HOST": ""}
"""What the documents write for the beginning of an address."""
ROOTS = {"/api", "/v1"}
WORDS = "GET|POST|PUT|PATCH|DELETE|WS"
WHOLE = re.compile(
    rf"(?:\b({WORDS})\s+)?(?<![\w…/.}}-])"
    r"(/(?:api|v1|healthz|readyz|metrics)(?![\w-])[^\s`\"'|)]*)"
)
ENDING = re.compile(rf"`({WORDS})\s+(?:…/)?([^\s`/…][^\s`]*)")


def read_routes() -> dict[str, set[str]]:
    """Methods by path; ``WS`` for WebSockets, for which OpenAPI has no word."""
    paths: dict[str, dict[str, Any]] = json.loads((FOLDER / "openapi.json").read_text("utf-8"))[
        "paths"
    ]
    routes = {path: {method.upper() for method in methods} for path, methods in paths.items()}
    for route in (*live.router.routes, *realtime.router.routes):
        if isinstance(route, WebSocketRoute):
            routes.setdefault(route.path, set()).add("WS")
    return {**routes, "/api/docs": {"GET"}, "/api/openapi.json": {"GET"}}


def find_named(text: str) -> list[tuple[str, str]]:
    """Give the method, or an empty text, and the address of all that a document names.

    An address that is named by its end begins with ``…``.
    """
    for short, long in SHORT.items():
        text = text.replace(short, long)
    whole = [(m[1] or "", m[2]) for m in WHOLE.finditer(text)]
    ends = [(m[1], f"…/{m[2]}") for m in ENDING.finditer(text)]
    return [(method, path.partition("?")[0].rstrip(".,;:*")) for method, path in whole + ends]


def is_there(method: str, named: str, routes: dict[str, set[str]]) -> bool:
    """Whether an address is one of the routes; what is left out of it may be anything."""
    if named in ROOTS:
        return True
    pattern = ".+".join(
        re.sub(r"\\\{[^/]*\}", "[^/]+", re.escape(part)) for part in named.split("…")
    )
    for path, methods in routes.items():
        # A field of the path stands for whatever the document has in its place.
        fields = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
        fits = re.fullmatch(pattern, path) or re.fullmatch(fields, named)
        if fits and (not method or method in methods):
            return True
    return False


@pytest.fixture(scope="module")
def routes() -> dict[str, set[str]]:
    return read_routes()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_every_address_in_it_is_the_servers(document: Path, routes: dict[str, set[str]]) -> None:
    named = find_named(document.read_text("utf-8"))
    assert [n for n in named if not is_there(*n, routes)] == []


def test_most_addresses_are_found() -> None:
    found = {path for document in DOCUMENTS for _, path in find_named(document.read_text("utf-8"))}
    assert len(found) > 40
    assert {"/api/v1/knowledge/bases/town/undo", "…/whep", "/readyz", "/v1/realtime"} <= found


@pytest.mark.parametrize(
    ("text", "named", "there"),
    [
        ("see `/api/v1/knowledge`, it", ("", "/api/v1/knowledge"), False),
        ("`GET /api/v1/knowledge/search?text=x`", ("GET", "/api/v1/knowledge/search"), True),
        ("`GET /api/v1/renders/7`", ("GET", "/api/v1/renders/7"), True),
        ("`PATCH /api/v1/renders`", ("PATCH", "/api/v1/renders"), False),
        ("curl -X POST $K/town/undo", ("POST", "/api/v1/knowledge/bases/town/undo"), True),
        ("curl -X POST $K/town/redo", ("POST", "/api/v1/knowledge/bases/town/redo"), False),
        ("by `POST\n  /api/v1/admin/purge`.", ("POST", "/api/v1/admin/purge"), True),
        ("under `/api/v1/admin/…`", ("", "/api/v1/admin/…"), True),
        ("under `/api/v1/owner/…`", ("", "/api/v1/owner/…"), False),
        ("`WS …/events`", ("WS", "…/events"), True),
        ("`GET …/events`", ("GET", "…/events"), False),
        ("`POST webrtc`", ("POST", "…/webrtc"), True),
        ("`POST …/{id}/write`", ("POST", "…/{id}/write"), True),
        ("`POST …/{id}/wrote`", ("POST", "…/{id}/wrote"), False),
    ],
)
def test_a_wrong_address_is_noticed(
    text: str, named: tuple[str, str], there: bool, routes: dict[str, set[str]]
) -> None:
    assert find_named(text) == [named]
    assert is_there(*named, routes) == there
