"""Renders and new avatars as they really are: with models, in processes of their own."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_client import AS_ADMIN, Api, error_of, make_wav, open_api
from PIL import Image

from visavis.apps.server.jobs import process
from visavis.apps.server.jobs.worker import estimate_seconds, name_upload
from visavis.media.video import probe

pytestmark = pytest.mark.assets

RENDERS = "/api/v1/renders"
SMALL: dict[str, Any] = {"text": "Hello.", "size": 128}


async def finish(api: Api, path: str) -> dict[str, Any]:
    progress = -1.0
    for _ in range(2_000):
        job: dict[str, Any] = (await api.get(path)).json()
        assert job["progress"] >= progress, "progress goes back"
        progress = job["progress"]
        if job["state"] not in ("queued", "running"):
            return job
        await asyncio.sleep(0.1)
    raise AssertionError(f"{path} comes to no end: {job}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISAVIS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.slow
async def test_a_text_becomes_a_video_with_subtitles(tmp_path: Path, home: Path) -> None:
    async with open_api(tmp_path) as api:
        response = await api.post(RENDERS, json={**SMALL, "voice": "am_michael"})
        assert response.status_code == 202, response.text
        path = response.headers["location"]
        job = await finish(api, path)
        assert job["state"] == "done", job
        assert set(job["files"]) == {"mp4", "srt", "vtt"}
        assert job["expires"] is not None
        whole = await api.get(job["files"]["mp4"])
        assert whole.headers["content-type"] == "video/mp4"
        assert len(whole.content) == job["result"]["bytes"]
        (tmp_path / "got.mp4").write_bytes(whole.content)
        info = probe(tmp_path / "got.mp4")
        assert (info.width, info.height) == (128, 128)
        assert info.is_ai_generated
        part = await api.get(job["files"]["mp4"], headers={"Range": "bytes=10-19"})
        assert part.status_code == 206
        assert part.content == whole.content[10:20]
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
        past = await api.get(job["files"]["mp4"], headers={"Range": f"bytes={10**9}-"})
        assert past.status_code == 416
        assert "Hello." in (await api.get(job["files"]["srt"])).text
        assert (await api.get(job["files"]["vtt"])).text.startswith("WEBVTT")
        kept = await api.get(job["files"]["mp4"] + "?download=true")
        assert kept.headers["content-disposition"].startswith("attachment")
        listed = (await api.get(RENDERS, headers=AS_ADMIN)).json()["jobs"]
        assert [row["id"] for row in listed] == [job["id"]]
        assert (await api.get(RENDERS)).status_code == 403
        assert (await api.delete(path)).json()["state"] == "done"
        assert error_of(await api.get(path)) == (404, "NotFound")
        assert error_of(await api.get(job["files"]["mp4"])) == (404, "NotFound")


@pytest.mark.slow
async def test_cancel_and_failures_are_told(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_api(tmp_path) as api:
        silent = {"file": ("стишок.wav", make_wav(2, level=0.0))}
        job = (await api.post(RENDERS, files=silent, data={"size": "128"})).json()
        job = await finish(api, f"{RENDERS}/{job['id']}")
        assert (job["state"], job["error"]["code"]) == ("failed", "AudioSilent")
        assert job["error"]["message"].startswith("стишок.wav is silent")

        long = (await api.post(RENDERS, json={**SMALL, "text": "A long story. " * 500})).json()
        for _ in range(600):
            if (await api.get(f"{RENDERS}/{long['id']}")).json()["state"] == "running":
                break
            await asyncio.sleep(0.05)
        assert error_of(await api.get(f"{RENDERS}/{long['id']}/video.mp4")) == (409, "Conflict")
        async with asyncio.timeout(5):
            stopped = await api.delete(f"{RENDERS}/{long['id']}")
        assert stopped.json()["state"] == "cancelled"
        assert not api.house.jobs.folder_of(long["id"]).exists()

        # Files of at most 20 kB, which is what a full disk looks like from inside.
        bounded = f"ulimit -f 20; exec {sys.executable} -m visavis.apps.server.jobs.worker"
        monkeypatch.setattr(process, "WORKER", ("bash", "-c", bounded))
        job = (await api.post(RENDERS, json={**SMALL, "text": "Good morning. " * 8})).json()
        job = await finish(api, f"{RENDERS}/{job['id']}")
        assert (job["state"], job["error"]["code"]) == ("failed", "OutputUnwritable")
        assert str(tmp_path) not in job["error"]["message"]
        folder = api.house.jobs.folder_of(job["id"])
        assert not list(folder.glob("*.mp4*"))


@pytest.mark.slow
async def test_a_picture_becomes_an_avatar(tmp_path: Path, home: Path) -> None:
    async with open_api(tmp_path) as api:
        listed = (await api.get("/api/v1/avatars")).json()["avatars"]
        assert listed[0]["default"]
        assert {row["origin"] for row in listed} == {"shipped"}
        picture = (await api.get(f"{listed[0]['picture']}?height=1080")).content
        assert Image.open(io.BytesIO(picture)).format == "JPEG"

        file = {"file": ("me.jpg", picture)}
        check = (await api.post("/api/v1/avatar-checks", files=file)).json()
        assert check["source"] == "me.jpg"
        assert check["verdict"] in ("ok", "warn")

        name = "小红 2"
        order = {"name": name, "voice_zh": "zf_xiaoyi"}
        response = await api.post("/api/v1/avatars", files=file, data=order)
        assert response.status_code == 202, response.text
        job = await finish(api, response.headers["location"])
        assert job["state"] == "done", job
        assert job["result"]["name"] == name
        assert job["result"]["check"]["source"] == "me.jpg"
        seen = (await api.get(f"/api/v1/avatars/{name}")).json()
        assert (seen["origin"], seen["voice"]["zh"]) == ("own", "zf_xiaoyi")
        small = await api.get(f"{seen['picture']}?height=64")
        assert Image.open(io.BytesIO(small.content)).height == 64
        again = {"If-None-Match": small.headers["etag"]}
        assert (await api.get(f"{seen['picture']}?height=64", headers=again)).status_code == 304

        again_same = await api.post("/api/v1/avatars", files=file, data=order)
        assert error_of(again_same) == (409, "Conflict")
        assert error_of(await api.delete(f"/api/v1/avatars/{name}")) == (403, "Refused")
        removed = await api.delete(f"/api/v1/avatars/{name}", headers=AS_ADMIN)
        assert removed.status_code == 204
        assert error_of(await api.get(f"/api/v1/avatars/{name}")) == (404, "UnknownAvatar")
        shipped = await api.delete("/api/v1/avatars/mei", headers=AS_ADMIN)
        assert error_of(shipped) == (403, "Refused")


def draw_grey() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((300, 300, 3), 128, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


async def test_pictures_without_a_face(tmp_path: Path, home: Path) -> None:
    async with open_api(tmp_path) as api:
        checks = "/api/v1/avatar-checks"
        told = (await api.post(checks, files={"file": ("grey.png", draw_grey())})).json()
        assert told["verdict"] == "fail"
        broken = await api.post(checks, files={"file": ("x.jpg", b"\xff\xd8\xff broken")})
        assert error_of(broken) == (400, "FileUnreadable")
        assert "x.jpg" in broken.json()["error"]["message"]
        assert error_of(await api.post(checks, files={"file": ("x.jpg", b"")}))[0] == 400
        assert error_of(await api.post(checks, data={"name": "x"})) == (422, "RequestInvalid")

        files = {"file": ("grey.png", draw_grey())}
        response = await api.post("/api/v1/avatars", files=files, data={"name": "grey"})
        job = await finish(api, response.headers["location"])
        assert (job["state"], job["error"]["code"]) == ("failed", "NoFaceFound")
        assert job["error"]["message"].startswith("grey.png: ")
        assert "/" not in job["error"]["message"].partition(":")[0]
        for name in ("../x", "a/b", "", "CON", "x" * 70, "a\x00b"):
            refused = await api.post("/api/v1/avatars", files=files, data={"name": name})
            assert error_of(refused)[0] == 422, name
        unknown = {"name": "grey", "voice_en": "nobody"}
        refused = await api.post("/api/v1/avatars", files=files, data=unknown)
        assert error_of(refused) == (404, "UnknownVoice")


def test_progress_knows_both_scripts() -> None:
    assert estimate_seconds("您好" * 10) == pytest.approx(5.2, abs=0.5)
    assert estimate_seconds("Good morning to all of you") == pytest.approx(2.4, abs=0.5)


def test_messages_speak_of_the_upload_as_its_sender_does() -> None:
    request = {"file": "input.wav", "shown": "song.wav"}
    assert name_upload(f"{Path.cwd()}/input.wav is silent", request) == "song.wav is silent"


def test_the_process_ends_in_order_while_its_server_lives(tmp_path: Path) -> None:
    request = {"file": str(tmp_path / "none.png"), "name": "x", "shown": "none.png"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(process.WORKER, cwd=tmp_path, **pipes) as working:
        assert working.stdin is not None
        assert working.stdout is not None
        working.stdin.write(json.dumps({"kind": "avatar", "request": request}) + "\n")
        working.stdin.flush()
        assert working.wait(60) == 0
        assert json.loads(working.stdout.read())["error"]["code"] == "FileUnreadable"
