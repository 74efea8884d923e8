"""The OpenAPI description: of today, whole, and told in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from api_client import open_api

from visavis.apps.assemble import Cast
from visavis.apps.server.description import make_description

WRITTEN = Path(__file__).parents[3] / "docs" / "live" / "openapi.json"


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(make_description())
    return made


def test_the_file_is_of_today() -> None:
    assert WRITTEN.read_text(encoding="utf-8") == make_description(), (
        "run `python -m visavis.apps.server.description docs/live/openapi.json`"
    )


def test_every_operation_is_told_in_words(api: dict[str, Any]) -> None:
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert len(operation["tags"]) == 1, (method, path)
            assert {"401", "422"} <= set(operation["responses"]), (method, path)


def test_errors_have_one_form(api: dict[str, Any]) -> None:
    for path, methods in api["paths"].items():
        wanted = "OpenAIErrorBody" if path.startswith("/v1/") else "ErrorBody"
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if status < "400" or (path, status) == ("/readyz", "503"):
                    continue
                schema = response["content"]["application/json"]["schema"]
                assert schema["$ref"].endswith(f"/{wanted}"), (method, path, status)


def test_every_reference_leads_somewhere(api: dict[str, Any]) -> None:
    names = api["components"]["schemas"]

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(ref := value.get("$ref"), str):
                assert ref.rpartition("/")[2] in names, ref
            assert "$defs" not in value
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(api)


def test_every_path_but_health_names_the_token(api: dict[str, Any]) -> None:
    for path, methods in api["paths"].items():
        for operation in methods.values():
            assert ("security" in operation) == (path not in ("/healthz", "/readyz", "/metrics"))


async def test_the_page_of_the_api(tmp_path: Path, cast: Cast, api: dict[str, Any]) -> None:
    async with open_api(tmp_path, cast, headers={}) as opened:
        assert (await opened.get("/api/openapi.json")).json() == api
        page = (await opened.get("/api/docs")).text
        for path in api["paths"]:
            assert path in page
        assert "<script" not in page
