"""The API on one page, for reading; programs take ``/api/openapi.json``."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

ACCESS = "open"

router = APIRouter(include_in_schema=False)

_STYLE = """
:root{color-scheme:light dark;font:1rem/1.55 system-ui,sans-serif}
body{max-width:56rem;margin:2rem auto;padding:0 1.25rem}
h1{margin-bottom:.2rem}h2{margin-top:2.4rem;text-transform:capitalize}
details{border-top:1px solid #8884;padding:.45rem 0}summary{cursor:pointer}
summary b{display:inline-block;min-width:4.2rem;font-size:.85rem}
code,pre{font-family:ui-monospace,monospace;font-size:.88rem}
pre{background:#8881;padding:.8rem;overflow:auto;border-radius:.4rem}
td{padding:.15rem .9rem .15rem 0;vertical-align:top}small{opacity:.75}
"""


@router.get("/api/docs")
async def show_docs(request: Request) -> HTMLResponse:
    """Show what can be asked of the API."""
    api = request.app.openapi()
    by_tag: dict[str, list[str]] = {tag["name"]: [] for tag in api["tags"]}
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            for tag in operation.get("tags", ())[:1]:
                by_tag[tag].append(_describe(method, path, operation, api))
    about = {tag["name"]: tag["description"] for tag in api["tags"]}
    sections = "".join(
        f"<h2>{escape(tag)}</h2><p>{_prose(about[tag])}</p>{''.join(rows)}"
        for tag, rows in by_tag.items()
    )
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>visavis API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>visavis API</h1><small>{escape(api['info']['version'])} ·"
        f' <a href="/api/openapi.json">openapi.json</a></small>'
        f"<p>{_prose(api['info']['description'])}</p>{sections}"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def _describe(method: str, path: str, operation: dict[str, Any], api: dict[str, Any]) -> str:
    rows = "".join(
        _row(f"{p['name']} <small>({p['in']})</small>", p["schema"], p.get("required", False))
        for p in operation.get("parameters", ())
    )
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        schema = _follow(body.get("schema", {}), api)
        needed = schema.get("required", ())
        rows += f"<tr><td colspan=2><small>{escape(kind)}</small></td></tr>"
        rows += "".join(
            _row(escape(name), field, name in needed)
            for name, field in schema.get("properties", {}).items()
        )
    codes = " ".join(sorted(operation.get("responses", {})))
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code>"
        f" {escape(operation.get('summary', ''))}</summary>"
        f"<p>{_prose(operation.get('description', ''))}</p><table>{rows}</table>"
        f"<small>Answers with {codes}</small></details>"
    )


def _prose(text: str) -> str:
    """Show the little Markdown that descriptions have."""
    shown = re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escape(text))
    return re.sub(r"\*([^*\s]+)\*", r"<em>\1</em>", shown)


def _row(name: str, schema: dict[str, Any], required: bool) -> str:
    kinds = [schema, *schema.get("anyOf", ())]
    kind = " | ".join(
        str(k.get("type") or k.get("$ref", "").rpartition("/")[2])
        + (f" {', '.join(map(str, k['enum']))}" if "enum" in k else "")
        for k in kinds
        if "type" in k or "$ref" in k
    )
    default = f", default {schema['default']!r}" if schema.get("default") not in (None, "") else ""
    about = _prose(schema.get("description", ""))
    mark = " *" if required else ""
    return (
        f"<tr><td><code>{name}</code>{mark}</td>"
        f"<td>{about} <small>{escape(kind + default)}</small></td></tr>"
    )


def _follow(schema: dict[str, Any], api: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = api["components"]["schemas"].get(name, schema)
    return found
