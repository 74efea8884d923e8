"""What is built of web/ and ships in the package."""

import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from visavis.apps.server.api import page
from visavis.apps.server.auth import Gate

FOLDER = Path(page.__file__).parents[1] / "page"
KINDS = {".html", ".js", ".css", ".svg"}


@pytest.fixture
async def site():
    app = FastAPI()
    app.state.gate = Gate("user", "admin")
    app.include_router(page.router)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://visavis.test") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/admin"])
async def test_a_page_runs_nothing_but_its_own_files(site, path):
    response = await site.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    policy = dict(
        rule.strip().split(" ", 1)
        for rule in response.headers["content-security-policy"].split(";")
        if " " in rule.strip()
    )
    assert policy["default-src"] == "'none'"
    for kind in ("script-src", "style-src", "connect-src"):
        assert policy[kind] == "'self'"
    assert "microphone=(self)" in response.headers["permissions-policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", response.text)
    wanted = re.findall(r'(?:src|href)="(/[^"]+)"', response.text)
    assert any(name.endswith(".js") for name in wanted)
    assert any(name.endswith(".css") for name in wanted)
    for name in wanted:
        assert (await site.get(name)).status_code == 200, name


async def test_files_with_a_hash_are_kept_and_others_asked_for_again(site):
    names = [path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()]
    hashed = [name for name in names if name.startswith("assets/")]
    assert len(hashed) >= 4
    for name in hashed:
        response = await site.get(f"/{name}")
        assert "immutable" in response.headers["cache-control"]
        assert re.search(r"-[\w-]{8}\.\w+$", name), f"{name} has no hash and is kept for ever"
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        assert response.headers["content-type"].startswith(kind)
    assert (await site.get("/icon.svg")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/../app.py", "/%2e%2e/app.py", "/assets/", "/nothing.js", "//etc/passwd"]
)
async def test_no_other_path_leads_anywhere(site, path):
    assert (await site.get(path)).status_code == 404


def test_the_pages_are_small():
    total = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    assert 50_000 < total < 400_000


def test_no_other_host_is_named_to_fetch_from():
    for path in FOLDER.rglob("*"):
        if path.is_file():
            assert path.suffix in KINDS, path
            text = path.read_text("utf-8")
            hosts = set(re.findall(r"(?<!\\)(?:https?:)?//([a-z0-9-]+(?:\.[a-z0-9-]+)+)", text))
            # Names of XML namespaces, and where Vue explains its error codes: neither is fetched.
            assert hosts <= {"www.w3.org", "vuejs.org"}, (path, hosts)
