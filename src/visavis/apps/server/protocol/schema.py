"""Writes the protocol down as JSON Schema, from which the page's TypeScript types are made.

python -m visavis.apps.server.protocol.schema docs/live/protocol.schema.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from visavis.apps.server.protocol.commands import COMMAND
from visavis.apps.server.protocol.events import EVENT, VERSION


def describe_protocol() -> dict[str, Any]:
    """Return one JSON Schema (2020-12) with ``ServerEvent`` and ``Command`` among its ``$defs``."""
    definitions: dict[str, Any] = {}
    for name, adapter in (("ServerEvent", EVENT), ("Command", COMMAND)):
        # An event always carries its defaults, so they are required of what the server sends.
        mode: Any = "serialization" if name == "ServerEvent" else "validation"
        schema = adapter.json_schema(ref_template="#/$defs/{model}", mode=mode)
        definitions |= schema.pop("$defs")
        definitions[name] = schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "LiveProtocol",
        "description": f"Events and commands of a live session, version {VERSION}.",
        "$defs": dict(sorted(definitions.items())),
        "anyOf": [{"$ref": "#/$defs/ServerEvent"}, {"$ref": "#/$defs/Command"}],
    }


def write_schema(path: Path) -> None:
    """Write it to a file."""
    text = json.dumps(describe_protocol(), ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schema(Path(sys.argv[1]))
