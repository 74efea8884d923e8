"""Describes the HTTP API as OpenAPI, and writes it down.

python -m visavis.apps.server.description docs/live/openapi.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

if TYPE_CHECKING:
    from fastapi import FastAPI

_SCHEMES = {
    "header": {"type": "http", "scheme": "bearer"},
    "query": {"type": "apiKey", "in": "query", "name": "token"},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "visavis_…",
        "description": "Set by visiting `/?token=…`; counts from pages of this server only.",
    },
}
_TAGS = {
    "sessions": "Live sessions. How to connect is under *live*.",
    "live": "What carries a live session. WebSockets are described in docs/live/api.md.",
    "answers": "Answers as text.",
    "renders": "Videos, made as jobs.",
    "avatars": "Who answers.",
    "voices": "Who speaks.",
    "knowledge": "What can be asked.",
    "feedback": "What users think of answers.",
    "admin": "For the operator.",
    "openai": "As OpenAI's API, so that its clients work with another `base_url`.",
    "health": "For whoever looks after the server.",
}
_OPEN = ("/healthz", "/readyz", "/metrics")


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description of an app's routes."""
    api: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    components = api.setdefault("components", {})
    components["securitySchemes"] = _SCHEMES
    schemas = components.setdefault("schemas", {})
    used: set[str] = set()
    for path, methods in api["paths"].items():
        for operation in methods.values():
            used.update(operation.get("tags", ()))
            if path not in _OPEN:
                operation["security"] = [{name: []} for name in _SCHEMES]
    _gather(api["paths"], schemas)
    # Nothing answers in the framework's own form.
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["schemas"] = dict(sorted(schemas.items()))
    api["tags"] = [{"name": k, "description": v} for k, v in _TAGS.items() if k in used]
    return api


def _gather(value: Any, schemas: dict[str, Any]) -> None:
    """Move definitions that stand inside a body to where references look for them."""
    if isinstance(value, dict):
        for name, schema in value.pop("$defs", {}).items():
            schemas.setdefault(name, schema)
        for inner in value.values():
            _gather(inner, schemas)
    elif isinstance(value, list):
        for inner in value:
            _gather(inner, schemas)


def make_description() -> str:
    """Return the description of this version as JSON text."""
    from visavis.apps.server.app import create_app
    from visavis.apps.server.settings import load_server_settings

    api = create_app(load_server_settings()).openapi()
    return json.dumps(api, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(make_description(), encoding="utf-8")
