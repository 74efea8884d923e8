"""Writes the protocol down as JSON Schema, from which the page's TypeScript types are made.

With the events and commands it tells the codes of all errors, for which the page has its own words.

python -m visavis.apps.server.protocol.schema docs/live/protocol.schema.json
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

from visavis.apps import server
from visavis.apps.server.protocol.commands import COMMAND
from visavis.apps.server.protocol.events import EVENT, VERSION
from visavis.core.errors import Error


def describe_protocol() -> dict[str, Any]:
    """Return one JSON Schema (2020-12).

    Among its ``$defs`` are ``ServerEvent``, ``Command`` and ``ErrorCode``.
    """
    definitions: dict[str, Any] = {}
    for name, adapter in (("ServerEvent", EVENT), ("Command", COMMAND)):
        # An event always carries its defaults, so they are required of what the server sends.
        mode: Any = "serialization" if name == "ServerEvent" else "validation"
        schema = adapter.json_schema(ref_template="#/$defs/{model}", mode=mode)
        definitions |= schema.pop("$defs")
        definitions[name] = schema
    definitions["ErrorCode"] = {
        "title": "ErrorCode",
        "description": "Codes of error events and HTTP errors. Others may come within a version.",
        "type": "string",
        "enum": list_codes(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "LiveProtocol",
        "description": f"Events and commands of a live session, version {VERSION}.",
        "$defs": dict(sorted(definitions.items())),
        "anyOf": [{"$ref": "#/$defs/ServerEvent"}, {"$ref": "#/$defs/Command"}],
    }


def list_codes() -> list[str]:
    """Return every code that the server's errors may carry, sorted."""
    from visavis.apps.server.errors import METHOD_NOT_ALLOWED, UNEXPECTED

    # An error may be defined beside what raises it, in any module of the server.
    for module in pkgutil.walk_packages(server.__path__, f"{server.__name__}."):
        if ".migrations." not in module.name:  # those run within a migration only
            importlib.import_module(module.name)
    found: set[str] = {UNEXPECTED, METHOD_NOT_ALLOWED}
    classes: list[type[Error]] = [Error]
    while classes:
        kind = classes.pop()
        if kind.__module__.startswith("visavis."):
            found.add(kind.__name__)
        classes.extend(kind.__subclasses__())
    return sorted(found)


def write_schema(path: Path) -> None:
    """Write it to a file."""
    text = json.dumps(describe_protocol(), ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schema(Path(sys.argv[1]))
