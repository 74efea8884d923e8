"""What is installed is whole: the wheel is built, looked into, unpacked elsewhere and served from."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PAGE = "visavis/apps/server/page/"
STORE = "visavis/apps/server/store/migrations/"

SERVE = """
import asyncio, json, re, sys
from importlib import metadata
from pathlib import Path

from fastapi.testclient import TestClient

import visavis
from visavis.apps.cli import main
from visavis.apps.server.app import create_app
from visavis.apps.server.settings import ServerSettings
from visavis.apps.server.store import Store
from visavis.core import registry
from visavis.models.assets import store as weights
from visavis.stages.avatars import store as avatars
from visavis.stages.responders.persona import list_personas, load_persona

settings = ServerSettings(data=Path("data"), token="tok", admin_token="own")
pages = TestClient(create_app(settings), base_url="http://visavis.test")
sizes, wanted = {}, ["/", "/admin", "/live.js"]
while wanted:
    path = wanted.pop()
    if path in sizes:
        continue
    answer = pages.get(path)
    sizes[path] = len(answer.content) if answer.status_code == 200 else 0
    if "image/" not in answer.headers["content-type"]:
        wanted += re.findall(r'(?:src|href)="(/[^"]+)"', answer.text)
        named = re.findall(r"[\\w./-]+-[\\w-]{8}\\.(?:js|css)", answer.text)
        wanted += ["/assets/" + name.rpartition("/")[2] for name in named]

async def keep() -> str:
    store = Store.from_settings(settings)
    await store.open()
    statistics = await store.recent_statistics()
    await store.close()
    return type(statistics).__name__

bundled = [a.name for a in weights.entries().values() if a.kind == "bundled"]
kinds = ["recognizers", "synthesizers", "responders", "animators", "enhancers"]
command = next(e for e in metadata.entry_points(group="console_scripts") if e.name == "visavis")
avatar = avatars.load(avatars.DEFAULT)
print(json.dumps({
    "from": visavis.__file__,
    "distribution": str(metadata.distribution("visavis").locate_file("")),
    "elsewhere": sorted(
        str(m.__file__) for n, m in sys.modules.items()
        if n.startswith("visavis") and not str(m.__file__).startswith(sys.argv[1])
    ),
    "pages": sizes,
    "refused": pages.get("/api/v1/sessions").status_code,
    "store": asyncio.run(keep()),
    "weights": weights.verify(bundled),
    "stages": {k: [registry.load(k, n).__name__ for n in registry.names(k)] for k in kinds},
    "command": command.load() is main,
    "personas": [load_persona(name).name["en"] for name in list_personas()],
    "avatars": [a.name for a in avatars.list_avatars()],
    "face": avatar.frames[0].shape,
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without reaching for anything that is not installed."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-index",
         "--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(folder), str(ROOT)],
        cwd=folder,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (made,) = folder.glob("visavis-*-py3-none-any.whl")
    return made


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        assert opened.testzip() is None
        return {n for n in opened.namelist() if ".dist-info/" not in n}


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked").resolve()
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def seen(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a program sees that runs from the unpacked wheel, with neither sources nor Node in reach."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("VISAVIS_")}
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(unpacked)],
        cwd=elsewhere,
        env={**kept, "PYTHONPATH": str(unpacked), "PATH": "", "VISAVIS_HOME": str(elsewhere)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.slow
class TestContents:
    def test_every_file_of_the_package_is_in_it_and_nothing_else(self, names: set[str]) -> None:
        files = {
            p.relative_to(SOURCE).as_posix()
            for p in (SOURCE / "visavis").rglob("*")
            if p.is_file() and "__pycache__" not in p.parts
        }
        assert names == files

    def test_the_pages_are_in_it(self, names: set[str]) -> None:
        wanted = {PAGE + n for n in ("index.html", "admin.html", "live.js", "icon.svg")}
        assert wanted <= names
        kinds = [Path(n).suffix for n in names if n.startswith(PAGE + "assets/")]
        assert kinds.count(".js") >= 5
        assert kinds.count(".css") >= 2

    def test_the_steps_of_the_database_are_in_it(self, names: set[str]) -> None:
        assert {STORE + "env.py", STORE + "script.py.mako"} <= names
        steps = sorted(n for n in names if re.fullmatch(rf"{STORE}versions/m\d{{4}}_\w+\.py", n))
        assert [int(Path(n).name[1:5]) for n in steps] == list(range(1, len(steps) + 1))
        assert len(steps) >= 4

    def test_bundled_weights_are_in_it_as_their_cards_say(
        self, names: set[str], wheel: Path
    ) -> None:
        cards = [n for n in names if re.fullmatch(r"visavis/models/\w+/weights\w*/asset\.toml", n)]
        assert len(cards) >= 8
        with zipfile.ZipFile(wheel) as opened:
            for card in cards:
                for file in tomllib.loads(opened.read(card).decode())["files"]:
                    name = card.replace("asset.toml", file["path"])
                    assert opened.getinfo(name).file_size == file["size"], name

    def test_entry_points_are_those_of_the_project_and_lead_into_it(
        self, names: set[str], wheel: Path
    ) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        written = configparser.ConfigParser(delimiters="=")
        written.optionxform = str  # type: ignore[assignment, method-assign]
        with zipfile.ZipFile(wheel) as opened:
            (file,) = (n for n in opened.namelist() if n.endswith("dist-info/entry_points.txt"))
            written.read_string(opened.read(file).decode())
        found = {group: dict(written[group]) for group in written.sections()}
        assert found == {"console_scripts": project["scripts"], **project["entry-points"]}
        for group in found.values():
            for target in group.values():
                path = target.partition(":")[0].replace(".", "/")
                assert {f"{path}.py", f"{path}/__init__.py"} & names, target


@pytest.mark.slow
class TestInstalled:
    def test_it_runs_from_the_wheel_and_from_nowhere_else(
        self, seen: dict[str, Any], unpacked: Path
    ) -> None:
        assert Path(seen["from"]).is_relative_to(unpacked)
        assert Path(seen["distribution"]) == unpacked
        assert seen["elsewhere"] == []

    def test_it_serves_both_pages_and_all_that_they_name(
        self, seen: dict[str, Any], names: set[str]
    ) -> None:
        pages = seen["pages"]
        assert all(pages.values()), {path: size for path, size in pages.items() if not size}
        shipped = {"/" + n.removeprefix(PAGE) for n in names if n.startswith(PAGE)}
        shipped -= {p for p in shipped if p.endswith(".html")}
        assert shipped <= set(pages), "what no page names need not be shipped"
        assert pages["/assets/" + find(shipped, r"index-.*\.js")] > 20_000
        assert seen["refused"] == 401, "the pages alone need no token"

    def test_it_keeps_its_store(self, seen: dict[str, Any]) -> None:
        assert seen["store"] == "Statistics"

    def test_it_has_weights_faces_and_personas(self, seen: dict[str, Any], names: set[str]) -> None:
        assert {"text-emotion", "audio2mouth"} <= set(seen["weights"])
        assert not any(seen["weights"].values()), seen["weights"]
        assert seen["avatars"][:3] == ["mei", "adam", "ruth"]
        assert min(seen["face"][:2]) >= 256
        personas = [n for n in names if "/personas/" in n and n.endswith(".toml")]
        assert len(seen["personas"]) == len(personas) >= 3
        assert all(seen["personas"])

    def test_its_command_and_stages_load(self, seen: dict[str, Any]) -> None:
        assert seen["command"]
        assert "PuppetAnimator" in seen["stages"]["animators"]
        assert "FaqResponder" in seen["stages"]["responders"]
        assert all(seen["stages"].values())


def find(paths: set[str], pattern: str) -> str:
    (path,) = (p for p in paths if re.fullmatch("/assets/" + pattern, p))
    return path.removeprefix("/assets/")
