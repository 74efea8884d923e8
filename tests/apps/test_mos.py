"""The study of opinions as its server and its commands keep it: discreet, and whole."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.apps.mos_study import CATCH, CATCH_PAIR, ITEMS, SYSTEMS, write_films, write_study

from visavis.apps.commands.mos import command
from visavis.apps.mos.answers import read_answers
from visavis.apps.mos.dealing import Trial, list_trials
from visavis.apps.mos.plan import Plan, read_plan
from visavis.apps.mos.store import Store
from visavis.apps.mos.videos import Video
from visavis.core.errors import Error, FileUnreadable, InputError

HELP = ["-h", "--help"]
"""As below `visavis`: click keeps the first form of a command's help option that it makes."""


class Visitor:
    """A browser that keeps all it gets."""

    def __init__(self, client: Any, language: str = "en") -> None:
        self._client = client
        self.got: list[str] = []
        self.videos: dict[str, bytes] = {}
        self.token = self.ask("POST", "/api/raters", json={"language": language}).json()["rater"]
        self.state = self.ask("GET", f"/api/raters/{self.token}").json()

    def ask(self, method: str, path: str, **more: Any) -> Any:
        answer = self._client.request(method, path, **more)
        self.got.append(path + str(answer.headers) + answer.content.decode("latin-1"))
        return answer

    def watch(self) -> list[str]:
        """Fetch the videos of a trial; return what is in each."""
        found = []
        for source in self.state["trial"]["videos"]:
            answer = self.ask("GET", source)
            assert answer.status_code == 200
            found.append(answer.text)
            self.videos[source] = answer.content
        return found

    def rate(self, *answers: int, plays: list[int] | None = None) -> Any:
        trial = self.state["trial"]
        body = {"answers": answers, "seconds": 1.5, "plays": plays or [1] * len(trial["videos"])}
        path = f"/api/raters/{self.token}/trials/{trial['token']}"
        answer = self.ask("POST", path, json=body)
        if answer.status_code == 200:
            self.state = answer.json()
        return answer


Serve = Callable[..., tuple[Any, Plan]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    pytest.importorskip("fastapi", reason="pip install -e '.[dev]'")
    from fastapi.testclient import TestClient

    from visavis.apps.mos.server import create_app

    clients = []

    def start(head: str = "", tail: str = "", seconds: float = 0.0) -> tuple[Any, Plan]:
        plan = read_plan(write_study(tmp_path, head, tail))
        videos = {path: Video(seconds, 64, 64, True, "") for path in plan.videos()}
        client = TestClient(create_app(plan, Store(plan.database, plan), videos))
        clients.append(client)
        client.__enter__()
        return client, plan

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.mark.parametrize("kind", ["scores", "pairs"])
def test_nothing_that_the_browser_gets_names_anything(serve: Serve, kind: str) -> None:
    client, plan = serve(f"kind = '{kind}'", CATCH if kind == "scores" else CATCH_PAIR)
    visitors = [Visitor(client), Visitor(client)]
    shown: Counter[str] = Counter()
    for visitor in visitors:
        for path in ("/", f"/r/{visitor.token}", "/api/study", "/openapi.json", "/docs"):
            visitor.ask("GET", path)
        for name in ("rate.js", "words.js", "style.css", "../server.py", "index.html"):
            visitor.ask("GET", f"/page/{name}")
        keys = set()
        while visitor.state["trial"]:
            keys.add(json.dumps([sorted(visitor.state), sorted(visitor.state["trial"])]))
            shown.update(visitor.watch())
            assert visitor.rate(3 if kind == "scores" else 0).status_code == 200
        assert len(keys) == 1, "a catch looks like any other"
    # It was the real thing: every video of every system has been sent.
    assert len(shown) == len(SYSTEMS) * len(ITEMS) + (1 if kind == "scores" else 2)
    assert not set(visitors[0].videos) & set(visitors[1].videos), "addresses tell nothing"
    everything = "\n".join(text for visitor in visitors for text in visitor.got).casefold()
    names = [*SYSTEMS, *ITEMS, *(path.stem for path in plan.videos()), "frozen", "plan.", ".mp4"]
    assert not [name for name in names if name in everything]
    assert "etag" in everything  # and so headers were looked at


def test_the_same_video_has_another_tag_in_each_trial(serve: Serve) -> None:
    client, _ = serve("trials = 12")
    tags: Counter[str] = Counter()
    for visitor in (Visitor(client), Visitor(client)):
        while visitor.state["trial"]:
            answer = visitor.ask("GET", visitor.state["trial"]["videos"][0])
            assert answer.headers["last-modified"].endswith("1970 00:00:00 GMT")
            tags[answer.headers["etag"]] += 1
            visitor.rate(3)
    assert len(tags) == 24


def test_parts_of_a_video_are_sent_as_phones_ask(serve: Serve) -> None:
    visitor = Visitor(serve()[0])
    source = visitor.state["trial"]["videos"][0]
    (whole,) = visitor.watch()
    part = visitor.ask("GET", source, headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.text == whole[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    tag = part.headers["etag"]
    again = visitor.ask("GET", source, headers={"Range": "bytes=990-", "If-Range": tag})
    assert again.status_code == 206
    assert again.text == whole[990:]
    assert visitor.ask("GET", source, headers={"Range": "bytes=5000-"}).status_code == 416


def test_who_comes_back_goes_on_where_they_stopped(serve: Serve) -> None:
    client, plan = serve("trials = 4")
    visitor = Visitor(client)
    visitor.rate(5)
    visitor.rate(4)
    # Another server on the same file, as after a restart.
    again, _ = serve("trials = 4")
    state = again.get(f"/api/raters/{visitor.token}").json()
    assert state == visitor.state
    assert (state["done"], state["total"]) == (2, 4)
    assert [row.answer for row in read_answers(plan.database).rows] == [5, 4]
    assert again.get("/api/raters/nobody").status_code == 404


def test_an_answer_counts_once_and_in_its_turn(serve: Serve) -> None:
    client, plan = serve("trials = 3")
    visitor = Visitor(client)
    first = dict(visitor.state["trial"])
    visitor.rate(5)
    second = dict(visitor.state["trial"])
    # The page sends again what it does not know to have arrived.
    body = {"answers": [1], "plays": [1], "seconds": 1}
    repeated = client.post(f"/api/raters/{visitor.token}/trials/{first['token']}", json=body)
    assert repeated.json()["trial"] == second
    assert [row.answer for row in read_answers(plan.database).rows] == [5]
    stranger = Visitor(client)
    theirs = f"/api/raters/{stranger.token}/trials/{second['token']}"
    assert client.post(theirs, json=body).status_code == 404
    assert client.get(first["videos"][0]).status_code == 404, "what was answered is over"


@pytest.mark.parametrize(
    ("answers", "plays", "status"),
    [([0], [1], 422), ([6], [1], 422), ([3, 3], [1], 422), ([], [1], 422), ([3], [1, 1], 422),
     ([3], [], 422), ([3], [0], 409), ([3], [1], 200)],
)  # fmt: skip
def test_only_possible_answers_are_taken(
    serve: Serve, answers: list[int], plays: list[int], status: int
) -> None:
    client, plan = serve()
    visitor = Visitor(client)
    path = f"/api/raters/{visitor.token}/trials/{visitor.state['trial']['token']}"
    body = {"answers": answers, "plays": plays, "seconds": 1}
    assert client.post(path, json=body).status_code == status
    assert len(read_answers(plan.database).rows) == (status == 200)


def test_nobody_rates_faster_than_the_videos_play(serve: Serve) -> None:
    client, plan = serve(seconds=60)
    visitor = Visitor(client)
    assert visitor.rate(3).status_code == 409
    assert not read_answers(plan.database).rows


def test_large_requests_are_refused(serve: Serve) -> None:
    client, _ = serve()
    assert client.post("/api/raters", content=b"x" * 20_000).status_code == 413
    unsaid = client.post("/api/raters", content=iter([b"x"] * 20_000))
    assert unsaid.status_code == 413, "a length that is not told could be any"


def test_a_video_that_does_not_play_is_left_out_and_dealt_again(serve: Serve) -> None:
    client, plan = serve("trials = 3")
    visitor = Visitor(client)
    lost = read_only_trial(plan, visitor)
    path = f"/api/raters/{visitor.token}/trials/{visitor.state['trial']['token']}/problem"
    state = client.post(path, json={"what": "media error 4"}).json()
    assert state["done"] == 1
    found = read_answers(plan.database)
    assert found.problems == [(lost.item, f"{lost.first} ", "media error 4")]
    assert not found.rows


def read_only_trial(plan: Plan, visitor: Visitor) -> Trial:
    """The trial that a visitor is at, by what is in its video."""
    (content,) = visitor.watch()
    system, item = content[:2]
    return Trial(ITEMS[int(item)], SYSTEMS[int(system)])


def test_who_left_long_ago_leaves_no_gap(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client, plan = serve("trials = 6")
    Visitor(client)
    with monkeypatch.context() as later:
        import visavis.apps.mos.store as store

        now = store.time.time()
        later.setattr(store.time, "time", lambda: now + store.ABANDONED + 1)
        seen = []
        for _ in range(2):
            visitor = Visitor(client)
            while visitor.state["trial"]:
                seen += visitor.watch()
                visitor.rate(2)
    assert len(set(seen)) == len(list_trials(plan)) == 12, "as if nobody had been dealt any"


def test_a_killed_server_loses_nothing(tmp_path: Path) -> None:
    path = write_study(tmp_path, "trials = 3")
    code = f"""
import os, signal
from itertools import pairwise
from pathlib import Path
from visavis.apps.mos.plan import read_plan
from visavis.apps.mos.store import Store
plan = read_plan(Path({str(path)!r}))
store = Store(plan.database, plan)
trials = store.list_trials(store.add_rater("en"))
store.keep_answers(trials[0].id, [4], 2.5, [1])
store._connection.execute("BEGIN")
store._connection.execute("UPDATE trials SET done = 1")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    found = read_answers(tmp_path / "plan.sqlite")
    assert [(row.answer, row.seconds, row.plays) for row in found.rows] == [(4, 2.5, (1,))]
    assert found.progress == {1: (1, 3)}, "nor keeps what was not finished"


def test_a_database_of_another_plan_is_refused(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    plan = read_plan(path)
    Store(plan.database, plan).close()
    more = read_plan(write_study(tmp_path, "trials = 3\nmisses = 1"))
    Store(plan.database, more).close()  # other trials, the same study
    assert read_answers(plan.database).plan["trials"] == 3
    (tmp_path / "zetanet" / "parrot.mp4").write_text("another video")
    changed = read_plan(path)
    with pytest.raises(InputError, match="another plan"):
        Store(plan.database, changed)
    (tmp_path / "text.sqlite").write_text("no database " * 100)
    with pytest.raises(Error, match="no database of answers"):
        Store(tmp_path / "text.sqlite", plan)
    with pytest.raises(FileUnreadable, match="no database of answers"):
        read_answers(tmp_path / "text.sqlite")


def test_raters_who_miss_catches_are_told_apart(serve: Serve, tmp_path: Path) -> None:
    client, plan = serve("trials = 12", CATCH)
    # Three judge: 5 for the first system, 3 and 2 for the others. One gives 4 whatever comes.
    for looks in (True, True, True, False):
        visitor = Visitor(client)
        while visitor.state["trial"]:
            content = visitor.watch()[0]
            right = 1 if content[0] == "x" else (5, 3, 2)[int(content[0])]
            visitor.rate(right if looks else 4)
    done = CliRunner().invoke(
        command,
        ["report", str(plan.path), "-o", str(tmp_path / "report"), "--draws", "200"],
        catch_exceptions=False,
        help_option_names=HELP,
    )
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [rater["excluded"] for rater in result["raters"]] == [False] * 3 + [True]
    kept = {s["system"]: s["mean"] for s in result["kept"][0]["systems"]}
    assert kept == {"zetanet": 5, "omeganet": 3, "kappanet": 2}
    everybody = {s["system"]: s["mean"] for s in result["all"][0]["systems"]}
    assert everybody == {"zetanet": 4.75, "omeganet": 3.25, "kappanet": 2.5}
    assert result["kept"][0]["agreement"] == {"ordinal": 1, "interval": 1}
    assert [r["system"] for r in result["kept"][0]["ranking"]] == list(SYSTEMS)
    page = (tmp_path / "report" / "report.html").read_text()
    words = (tmp_path / "report" / "report.md").read_text()
    for text in (page, words):
        assert "zetanet" in text
        assert "5.00 to 5.00" in text
        assert "with all raters" in text
    assert "http" not in page.replace("http://www.w3.org", "")
    with (tmp_path / "report" / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 13
    assert {row["item"] for row in rows} == {"", *ITEMS}


def test_the_command_serves_and_stops(tmp_path: Path) -> None:
    import signal
    import urllib.request

    films = write_films(tmp_path)
    code = "from visavis.apps.cli import main; main()"
    arguments = ["mos", "serve", str(films / "plan.toml"), "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready: http://127.0.0.1:"), process.communicate(timeout=10)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(line.split()[1], timeout=10) as answer:
            assert b"rate.js" in answer.read()
            assert "default-src 'none'" in answer.headers["content-security-policy"]
    finally:
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "differ in size" in told
    assert not (films / "plan.sqlite-wal").exists(), "the database was closed"
