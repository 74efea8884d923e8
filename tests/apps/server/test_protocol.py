import ast
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from visavis.apps.server.errors import describe
from visavis.apps.server.protocol import COMMAND, EVENT
from visavis.apps.server.protocol.commands import Ask
from visavis.apps.server.protocol.events import SessionState
from visavis.apps.server.protocol.schema import describe_protocol, list_codes

SCHEMA = Path(__file__).parents[3] / "docs" / "live" / "protocol.schema.json"
SOURCE = Path(__file__).parents[3] / "src" / "visavis"


def test_the_schema_in_docs_is_of_today():
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == describe_protocol()


def test_an_event_survives_the_way_as_json():
    event = SessionState(seq=3, at=1.24, state="listening")
    assert EVENT.validate_json(event.model_dump_json()) == event


def test_commands_are_told_apart_by_their_type():
    assert COMMAND.validate_json('{"type": "ask", "text": "你好"}') == Ask(text="你好")


@pytest.mark.parametrize(
    "text",
    ['{"type": "ask"}', '{"type": "fly"}', '{"type": "ask", "text": ""}', "[]", "{", '{"type": "ping"}'],
)  # fmt: skip
def test_what_is_no_command_is_refused(text):
    with pytest.raises(ValidationError):
        COMMAND.validate_json(text)


def test_every_error_in_the_source_is_among_the_codes():
    bases = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                names = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
                bases[node.name] = names
    known = {"Error"}
    while grown := {name for name, of in bases.items() if known & set(of)} - known:
        known |= grown
    assert len(known) > 40
    assert known <= set(list_codes())
    assert describe(ValueError("odd")).code in list_codes()
