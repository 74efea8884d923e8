"""What a listener may not do with commands."""

import json

import pytest

from visavis.apps.server.transports.intake import BURST, Intake


class Session:
    def __init__(self):
        self.done = []

    async def handle(self, command):
        self.done.append(command)


@pytest.mark.parametrize("name", ["/etc/passwd", "../me.jpg", "me.jpg", "C:\\me.jpg"])
async def test_no_file_of_the_server_is_taken_for_a_face(name, tmp_path, monkeypatch):
    (tmp_path / "me.jpg").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    session = Session()
    refusal = await Intake(session).take(json.dumps({"type": "change", "avatar": name}))
    assert refusal is not None
    assert refusal.code == "UnknownAvatar"
    assert not session.done


async def test_a_stored_face_is_taken():
    session = Session()
    assert await Intake(session).take('{"type": "change", "avatar": "ruth"}') is None
    assert session.done[0].avatar == "ruth"


async def test_a_flood_is_refused_once_and_goes_on_later():
    now = 0.0
    session = Session()
    intake = Intake(session, clock=lambda: now)
    refusals = [await intake.take('{"type": "interrupt"}') for _ in range(int(BURST) + 50)]
    assert len(session.done) == BURST
    assert sum(r is not None for r in refusals) == 1
    now = 1.0
    assert await intake.take('{"type": "interrupt"}') is None
