"""How many sessions are let in: by what they cost here, and by how those that talk fare."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import open_api

from visavis.apps.assemble import Cast
from visavis.apps.server.protocol import commands
from visavis.apps.server.sessions import capacity, registry
from visavis.apps.server.sessions import strain as straining
from visavis.apps.server.sessions.capacity import Cost, measure_cost
from visavis.apps.server.sessions.registry import Sessions
from visavis.apps.server.sessions.strain import Strain
from visavis.apps.server.settings import ServerSettings, load_server_settings
from visavis.core.errors import ConfigError, SessionsFull
from visavis.core.types import FPS

PARTS: dict[str, float] = {
    "still": 0.2,
    "speaking": 0.3,
    "voice": 0.24,
    "listening": 0.01,
    "following": 0.4,
    "understanding": 0.1,
    "coding": 0.07,
}
"""About what two cores of an AMD EPYC take."""


def make_flat(load: float, cores: int) -> Cost:
    """A session that takes the same whatever it does."""
    face = load - 0.01 - 0.07 - capacity.NETWORK
    return Cost(cores, face, face, 0.0, 0.01, 0.0, 0.0, 0.07)


def test_each_part_counts_where_it_belongs() -> None:
    cost = Cost(2, **PARTS)
    assert cost.idle == pytest.approx(0.2 + 0.01 + 0.07 + 0.1)
    assert cost.asked == pytest.approx(cost.idle + 0.4 + 0.1)
    assert cost.answering == pytest.approx(0.3 + 3 * 0.24 + 0.01 + 0.07 + 0.1)


def test_two_that_talk_at_once_do_not_fit_two_cores() -> None:
    cost = Cost(2, **PARTS)
    # Of 1.6 cores, one that answers takes 1.20, one that is asked 0.88, an idle one 0.38.
    assert cost.overload(1) == 0
    assert cost.overload(2) == pytest.approx((0.5 + 0.15) ** 2)
    assert cost.sessions == 1


@pytest.mark.parametrize(
    ("load", "cores", "fit"), [(0.4, 2, 4), (0.5, 2, 3), (0.81, 1, 1), (5.0, 1, 1), (0.4, 16, 32)]
)
def test_sessions_that_always_take_the_same_fill_the_headroom(
    load: float, cores: int, fit: int
) -> None:
    assert make_flat(load, cores).sessions == fit


@pytest.mark.parametrize(("cores", "sessions"), [(3, 3), (4, 4), (4, 5), (6, 7)])
def test_the_share_of_the_time_is_that_of_all_cases_gone_through(cores: int, sessions: int) -> None:
    cost = Cost(cores, **PARTS)
    kinds = ((cost.answering, 0.5), (cost.asked, 0.15), (cost.idle, 0.35))
    expected = 0.0
    for case in itertools.product(kinds, repeat=sessions):
        share = 1.0
        for _, part in case:
            share *= part
        expected += share if sum(load for load, _ in case) > cores * 0.8 else 0.0
    assert 0 < expected < 1
    assert cost.overload(sessions) == pytest.approx(expected)


@pytest.mark.parametrize("cores", [16, 64])
def test_of_many_not_all_talk_at_once(cores: int) -> None:
    cost = Cost(cores, **PARTS)
    mean = 0.5 * cost.answering + 0.15 * cost.asked + 0.35 * cost.idle
    assert cost.overload(cost.sessions) <= 0.05 < cost.overload(cost.sessions + 1)
    assert cores * 0.8 / cost.answering < cost.sessions < cores * 0.8 / mean


def test_no_machine_takes_more_than_can_be_set() -> None:
    assert make_flat(0.2, 4000).sessions == 256


def test_the_parts_are_told() -> None:
    told = str(Cost(2, **PARTS))
    assert "an idle second takes 0.38 s of a core (face 0.20, ears 0.01, coding 0.07" in told
    assert "one of a question 0.88 s (words 0.40 and understanding 0.10 more)" in told
    assert "one of an answer 1.20 s (face 0.30, voice 3 times 0.24), of 2 cores" in told


async def test_without_models_to_hear_with_their_usual_cost_is_taken(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAVIS_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cost = await measure_cost(cast)
    assert cost.following == capacity.FOLLOWING
    assert cost.listening == capacity.LISTENING
    assert 0 < cost.understanding < capacity.UNDERSTANDING, "this one is scripted"
    assert 0 < cost.coding < capacity.CODING, "of a face an eighth as wide"
    assert 0 < cost.still < 0.5
    assert 0 < cost.speaking < 0.5
    assert 0 < cost.voice < 0.5


async def test_what_was_measured_decides_who_is_let_in(cast: Cast) -> None:
    sessions = Sessions(cast, ServerSettings())
    sessions.cost = Cost(2, **PARTS)
    try:
        assert await sessions.measure() == sessions.capacity == 1
        assert sessions.cost == Cost(2, **PARTS), "what is known is not measured again"
        (await sessions.open()).note_connected()
        with pytest.raises(SessionsFull, match="1 of 1 sessions are taken"):
            await sessions.open()
        sessions.cost = make_flat(0.4, 1)
        (await sessions.open()).note_connected()
        with pytest.raises(SessionsFull, match="2 of 2 sessions are taken"):
            await sessions.open()
    finally:
        await sessions.close()


async def test_a_number_that_is_set_is_not_measured(cast: Cast) -> None:
    sessions = Sessions(cast, ServerSettings(sessions=7))
    assert await sessions.measure() == 7
    assert sessions.cost is None


class Watched:
    """Two sessions as a strain sees them, second by second: one talks and one does not."""

    def __init__(self, limit: float = 0.05) -> None:
        self.now = self.spent = 0.0
        self.strain = Strain(limit, lambda: self.now, lambda: self.spent, cores=2)
        self.talking = {"id": "a", "state": "speaking", "ticks": 0, "late": 0, "starved": 0}
        self.idle = {**self.talking, "id": "b", "state": "idle"}
        self.strain.note([dict(self.talking), dict(self.idle)])

    def pass_second(
        self, times: int = 1, *, late: int = 0, starved: int = 0, cores: float = 1.8
    ) -> None:
        for _ in range(times):
            self.now, self.spent = self.now + 1, self.spent + cores
            for session in (self.talking, self.idle):
                session["ticks"] = int(session["ticks"]) + FPS
                session["late"] = int(session["late"]) + late
                session["starved"] = int(session["starved"]) + starved
            self.strain.note([dict(self.talking), dict(self.idle)])


def test_late_pictures_are_strain_until_they_are_few() -> None:
    watched = Watched()
    strain = watched.strain
    watched.pass_second(20)
    assert strain.share == 0
    watched.pass_second(4, late=5)
    assert strain.share == pytest.approx(20 / 500)
    assert not strain.is_on
    watched.pass_second(2, late=5)
    assert strain.share == pytest.approx(30 / 500)
    assert strain.is_on
    watched.pass_second(16)  # four of those six seconds are still looked at
    assert 0.0125 < strain.share < 0.05
    assert strain.is_on, "it would be let in and refused by turns"
    watched.pass_second(4)
    assert strain.share == 0
    assert not strain.is_on


def test_silence_in_an_answer_is_strain_only_where_the_cores_are_busy() -> None:
    watched = Watched()
    strain = watched.strain
    watched.pass_second(20, starved=10, cores=0.5)
    assert not strain.is_on, "a language model that takes its time"
    watched.pass_second(20, starved=10, cores=1.6)
    assert strain.share == pytest.approx(0.4)
    assert strain.is_on


def test_nobody_hears_a_hole_between_turns() -> None:
    watched = Watched()
    strain = watched.strain
    watched.talking["state"] = "idle"
    watched.pass_second(20, late=10, starved=10)  # its first second is the last one of a turn
    assert strain.share == 0
    assert not strain.is_on


def test_a_few_pictures_are_too_few_to_tell() -> None:
    watched = Watched()
    strain = watched.strain
    watched.pass_second(4, late=20)
    assert not strain.is_on
    watched.pass_second(1, late=20)
    assert strain.is_on
    strain.forget()
    assert not strain.is_on


def test_it_can_be_switched_off() -> None:
    watched = Watched(limit=0.0)
    strain = watched.strain
    watched.pass_second(20, late=20)
    assert strain.share > 0.5
    assert not strain.is_on


@pytest.mark.parametrize(
    ("options", "watches"),
    [({}, True), ({"sessions": 3}, False), ({"sessions": 3, "late_limit": 0.1}, True),
     ({"late_limit": 0.0}, False)],
)  # fmt: skip
async def test_a_number_that_is_set_is_taken_at_its_word(
    cast: Cast, options: dict[str, Any], watches: bool
) -> None:
    sessions = Sessions(cast, load_server_settings(**options))
    tasks = len(asyncio.all_tasks())
    try:
        session = await sessions.open()
        named = [task.get_name() for task in asyncio.all_tasks()]
        assert ("strain" in named) == watches
        await session.close()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == tasks
    finally:
        await sessions.close()
    with pytest.raises(ConfigError, match="VISAVIS_SERVER_LATE_LIMIT"):
        load_server_settings(late_limit=1.5)


@pytest.fixture
async def hasty(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sessions]:
    """Sessions that are looked at twenty times as often as they usually are."""
    monkeypatch.setattr(registry, "_WATCHED_EVERY", 0.05)
    monkeypatch.setattr(straining, "_LEAST", 8)
    opened = Sessions(cast, ServerSettings(sessions=3, late_limit=0.05))
    yield opened
    await opened.close()


async def test_while_pictures_are_late_nobody_new_comes_in(hasty: Sessions) -> None:
    first = await hasty.open()
    first.note_connected()
    (await hasty.open()).note_connected()
    await first.handle(commands.Say(text="It takes ten days until the new card is there. " * 8))
    await wait_until(lambda: first.state == "speaking")
    for _ in range(40):
        time.sleep(0.1)  # noqa: ASYNC251  # what a loop that has too much to do looks like
        await asyncio.sleep(0.01)
        if hasty.strain.is_on:
            break
    assert first.snapshot()["late"] > 0
    with pytest.raises(SessionsFull, match="busy") as refused:
        await hasty.open()
    assert refused.value.retryable
    assert len(hasty) == 2
    await first.handle(commands.Interrupt())
    await wait_until(lambda: not hasty.strain.is_on)
    await hasty.open()
    assert len(hasty) == 3


async def test_a_page_that_is_loaded_anew_comes_in_all_the_same(
    hasty: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = await hasty.open()
    hasty.strain.is_on = True
    monkeypatch.setattr(registry, "ABANDONED", -1.0)
    again = await hasty.open()
    assert [session.id for session in hasty] == [again.id]
    assert gone.is_over
    again.note_connected()


async def test_with_nobody_there_no_strain_stands_in_the_way(hasty: Sessions) -> None:
    hasty.strain.is_on = True
    assert await hasty.open()


async def wait_until(holds: Any, limit: float = 10.0) -> None:
    async with asyncio.timeout(limit):
        while not holds():  # noqa: ASYNC110  # figures tell nobody that they change
            await asyncio.sleep(0.01)


@pytest.mark.assets
@pytest.mark.slow
async def test_this_machine_lets_in_as_many_as_its_parts_allow(tmp_path: Path) -> None:
    async with open_api(tmp_path, sessions=0) as api:
        fit = await api.house.sessions.measure()
        cost = api.house.sessions.cost
        assert cost is not None
        assert 0.01 < cost.still < 1.0
        assert 0.01 < cost.speaking < 1.5
        assert 0.02 < cost.voice < 2.0
        assert 0 < cost.listening < 0.2
        assert 0.02 < cost.following < 2.0
        assert 0.005 < cost.understanding < 1.0
        assert 0.01 < cost.coding < 0.5
        usual = (capacity.LISTENING, capacity.FOLLOWING, capacity.UNDERSTANDING, capacity.CODING)
        measured = (cost.listening, cost.following, cost.understanding, cost.coding)
        assert not set(usual) & set(measured), "a part was not measured"
        room = cost.cores * 0.8
        assert fit >= max(1, int(room / max(cost.answering, cost.asked))), "all may talk at once"
        assert fit <= max(1, int(room / cost.idle)), "all may be silent at once"
        if cost.cores <= 4:  # of so few, all often talk at once
            assert fit <= max(1, int(room / min(cost.answering, cost.asked)) + 1)

        for _ in range(min(fit, 2)):
            opened = await api.post("/api/v1/sessions", json={})
            assert opened.status_code == 201, opened.text
            live = api.house.sessions.get(opened.json()["id"])
            assert live is not None
            live.note_connected()
        if fit <= 2:
            refused: httpx.Response = await api.post("/api/v1/sessions", json={})
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "SessionsFull"
            assert f"{fit} of {fit}" in refused.json()["error"]["message"]
