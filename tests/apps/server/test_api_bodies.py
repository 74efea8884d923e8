"""What is wrong with a request is said in one form, whatever it is."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx
import pytest
from api_client import USER, error_of, make_wav, open_api, serve_api

from visavis.apps.assemble import Cast

ANSWERS, RENDERS, SESSIONS = "/api/v1/answers", "/api/v1/renders", "/api/v1/sessions"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ANSWERS, {"question": 5}),
        (ANSWERS, {"question": ["a"]}),
        (ANSWERS, {"question": "a", "colour": "red"}),
        (ANSWERS, {"question": "a", "language": "fr"}),
        (ANSWERS, {"question": "a", "history": "none"}),
        (ANSWERS, {"question": "a", "history": [{"role": "god", "text": "x"}]}),
        (ANSWERS, []),
        (ANSWERS, None),
        (ANSWERS, {}),
        (RENDERS, {}),
        (RENDERS, {"text": "a", "question": "b"}),
        (RENDERS, {"text": "a", "size": 10}),
        (RENDERS, {"text": "a", "size": "512"}),
        (RENDERS, {"text": "a", "size": 512.5}),
        (RENDERS, {"text": "a", "intensity": 2}),
        (RENDERS, {"text": "a", "emotion": "bored"}),
        (RENDERS, {"text": "a", "seed": -1}),
        (RENDERS, {"text": "a", "subtitles": "maybe"}),
        (SESSIONS, {"microphone": "loud"}),
        (SESSIONS, {"avatar": 7}),
        (SESSIONS, {"surprise": True}),
    ],
)
async def test_wrong_fields(tmp_path: Path, cast: Cast, path: str, body: object) -> None:
    async with open_api(tmp_path, cast) as api:
        response = await api.post(path, json=body)
        assert error_of(response) == (422, "RequestInvalid"), response.text


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b"a=b", "application/x-www-form-urlencoded", 422),
        (b"<x/>", "text/xml", 422),
        (b"garbage", "multipart/form-data; boundary=x", 422),
        (b"garbage", "multipart/form-data", 422),
    ],
)
async def test_bodies_of_another_kind(
    tmp_path: Path, cast: Cast, content: bytes, kind: str, status: int
) -> None:
    async with open_api(tmp_path, cast) as api:
        response = await api.post(ANSWERS, content=content, headers={"Content-Type": kind})
        assert response.status_code in (status, 400), response.text
        assert error_of(response)[1] == "RequestInvalid"


async def test_a_question_of_ten_megabytes(tmp_path: Path, cast: Cast) -> None:
    async with open_api(tmp_path, cast) as api:
        response = await api.post(ANSWERS, json={"question": "为" * 3_500_000})
        assert error_of(response) == (413, "BodyTooLarge")
        response = await api.post(ANSWERS, json={"question": "为" * 50_000})
        assert error_of(response) == (422, "TextUnusable")
        assert "limit is 1000" in response.json()["error"]["message"]


async def test_a_body_that_does_not_say_its_length_is_bounded_too(
    tmp_path: Path, cast: Cast
) -> None:
    async def endless():  # type: ignore[no-untyped-def]
        while True:
            yield b'{"question": "' + b"x" * 65_536
            await asyncio.sleep(0)

    async with (
        serve_api(tmp_path, cast) as (place, _),
        httpx.AsyncClient(base_url=f"http://{place}") as client,
    ):
        kind = {"Content-Type": "application/json"}
        async with asyncio.timeout(20):
            try:
                sent = await client.post(f"{ANSWERS}?token={USER}", content=endless(), headers=kind)
                assert sent.status_code == 413
            except httpx.TransportError:
                pass  # the server hung up while we were still sending
        assert (await client.get("/healthz")).status_code == 200


async def test_an_upload_that_is_too_large(tmp_path: Path, cast: Cast) -> None:
    async with open_api(tmp_path, cast, max_upload_mb=1) as api:
        response = await api.post(ANSWERS, files={"file": ("q.wav", b"x" * 1_200_000)})
        assert error_of(response) == (413, "BodyTooLarge")
        assert "VISAVIS_SERVER_MAX_UPLOAD_MB" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("q.wav", b"", 400, "FileUnreadable"),
        ("q.wav", b"not a sound at all", 400, "FileUnreadable"),
        ("q.wav", make_wav()[:30], 400, "FileUnreadable"),
        ("q.mp4", b"\x00\x00\x00\x18ftypmp42" + b"\0" * 100, 400, "FileUnreadable"),
        ("long.wav", make_wav(70, 8_000), 413, "AudioTooLong"),
    ],
)
async def test_broken_sound(
    tmp_path: Path, cast: Cast, name: str, data: bytes, status: int, code: str
) -> None:
    async with open_api(tmp_path, cast) as api:
        response = await api.post(ANSWERS, files={"file": (name, data)})
        assert error_of(response) == (status, code)
        message = response.json()["error"]["message"]
        assert name in message
        assert "/tmp" not in message
        assert "visavis-" not in message


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd.wav", "问题 — вопрос.wav", "a\nb\r.wav",
     "." * 300 + ".wav", "x" * 5_000, "..", "con.wav"],
)  # fmt: skip
async def test_names_lead_nowhere(tmp_path: Path, cast: Cast, name: str) -> None:
    async with open_api(tmp_path, cast) as api:
        response = await api.post(ANSWERS, files={"file": (name, make_wav(0.0))})
        # A name of many kilobytes is refused before anybody listens.
        told = (400, "RequestInvalid") if len(name) > 1_000 else (422, "AudioTooShort")
        assert error_of(response) == told
        message = response.json()["error"]["message"]
        assert "etc/" not in message
        assert len(message) < 500
    left = [name for _, _, files in os.walk(tmp_path) for name in files]
    assert not [name for name in left if name.endswith((".wav", ".ini"))]


async def test_a_file_in_another_field(tmp_path: Path, cast: Cast) -> None:
    async with open_api(tmp_path, cast) as api:
        response = await api.post(ANSWERS, files={"audio": ("q.wav", make_wav())})
        assert error_of(response) == (422, "RequestInvalid")
        assert "'file'" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/sessions/nobody", "/api/v1/sessions/" + "x" * 60, "/api/v1/renders/nothing",
        "/api/v1/renders/0123456789abcdef", "/api/v1/renders/0123456789abcdef/video.mp4",
        "/api/v1/renders/../../etc/passwd", "/api/v1/renders/%2e%2e%2f%2e%2e/video.mp4",
        "/api/v1/avatars/nobody", "/api/v1/avatars/%2Fetc%2Fpasswd/picture.jpg",
        "/api/v1/avatars/..%2f..%2fx/picture.jpg", "/api/v1/avatar-jobs/nothing",
        "/api/v1/knowledge/bases/none/pairs", "/api/v1/nowhere", "/assets/../index.html/x",
        "/assets/%2e%2e/%2e%2e/app.py", "/index.html%00.js",
    ],
)  # fmt: skip
async def test_unknown_things(tmp_path: Path, cast: Cast, path: str) -> None:
    async with open_api(tmp_path, cast) as api:
        assert error_of(await api.get(path))[0] == 404


async def test_a_method_that_is_not_there(tmp_path: Path, cast: Cast) -> None:
    async with open_api(tmp_path, cast) as api:
        assert error_of(await api.delete("/api/v1/voices")) == (405, "MethodNotAllowed")


async def test_the_unexpected_is_told_without_its_inside(
    tmp_path: Path, cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: object) -> None:
        raise ZeroDivisionError("the secret inside")

    async with open_api(tmp_path, cast) as api:
        monkeypatch.setattr(type(cast.router), "voices", fail)
        response = await api.get("/api/v1/voices")
        assert error_of(response) == (500, "Unexpected")
        assert "secret" not in response.text
    assert "the secret inside" in caplog.text
