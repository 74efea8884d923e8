"""What `visavis bench live` concludes from figures, and how its listeners go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from click.testing import CliRunner
from live_house import TOKEN, make_app, run
from live_standin import StandInSession

from visavis.apps.commands.bench import command
from visavis.apps.live_benchmark import Shown
from visavis.apps.live_capacity import add_sessions, conclude, find_faults
from visavis.apps.live_listener import Listener
from visavis.apps.live_printing import print_live, print_steps
from visavis.apps.live_visits import is_spoken, vanishes
from visavis.apps.server.settings import ServerSettings
from visavis.apps.server.transports import webrtc
from visavis.core.errors import StageError

MACHINE = {"processor": "a processor", "cores": 2, "load": 0.1}


def figures(**other: Any) -> dict[str, Any]:
    """Of one session on two cores, as the README has them."""
    return {
        "typed_to_sound": {"n": 133, "p50": 0.85, "p95": 1.03},
        "spoken_to_sound": {"n": 133, "p50": 1.51, "p95": 1.78},
        "stop_to_silence": {"n": 133, "p50": 0.032, "p95": 0.12},
        "fps": 25.0,
        "distinct_fps": 22.5,
        "distinct_fps_speaking": 25.0,
        "late_share": 0.004,
        "without_sound": 0.0,
        "cpu_talking": {"face": 0.4, "all": 1.36},
        **other,
    }


def delay(seconds: float) -> dict[str, float]:
    return {"n": 6, "p50": seconds, "p95": seconds}


@pytest.mark.parametrize(
    ("worse", "words"),
    [
        ({}, []),
        ({"late_share": 0.01}, []),
        ({"late_share": 0.0101}, ["1.0% of the pictures come late (at most 1%)"]),
        ({"without_sound": 0.01}, []),
        ({"without_sound": 0.033}, ["the sound is missing in 3.3% (at most 1%)"]),
        ({"fps": 24.5}, []),
        ({"fps": 24.4}, ["24.4 pictures a second come (at least 24.5)"]),
        ({"typed_to_sound": delay(1.69)}, []),
        (
            {"typed_to_sound": delay(1.7)},
            ["the first sound after a typed question comes after 1.70 s (alone 0.85)"],
        ),
        (
            {"spoken_to_sound": delay(3.1)},
            ["the first sound after a spoken question comes after 3.10 s (alone 1.51)"],
        ),
    ],
)
def test_what_is_worse_than_it_may_be_is_said(worse: dict[str, Any], words: list[str]) -> None:
    assert find_faults(figures(**worse), figures()) == words


def test_who_hears_nothing_at_all_has_it_worse() -> None:
    deaf = figures()
    del deaf["typed_to_sound"]
    assert find_faults(deaf, figures()) == ["the first sound after a typed question never comes"]


def test_every_fault_is_told() -> None:
    two = figures(late_share=0.068, without_sound=0.033, typed_to_sound=delay(1.71))
    assert len(find_faults(two, figures())) == 3


def measured(*steps: Mapping[str, Any] | Exception) -> Callable[[int], Mapping[str, Any]]:
    def measure(sessions: int) -> Mapping[str, Any]:
        step = steps[sessions - 1]
        if isinstance(step, Exception):
            raise step
        return step

    return measure


def test_sessions_are_added_until_quality_falls() -> None:
    good, bad = figures(), figures(late_share=0.068)
    found = add_sessions(measured(good, good, bad, good))
    assert found["fit"] == 2
    assert [step["sessions"] for step in found["steps"]] == [1, 2, 3]
    assert conclude(found) == (
        "2 fit; 3 do not, because 6.8% of the pictures come late (at most 1%)"
    )


def test_one_may_be_too_many() -> None:
    found = add_sessions(measured(figures(fps=20.0)))
    assert found["fit"] == 0
    assert conclude(found) == (
        "none fit; 1 does not, because 20.0 pictures a second come (at least 24.5)"
    )


def test_the_delay_is_compared_with_the_first_step() -> None:
    slower = [figures(typed_to_sound=delay(0.85 * factor)) for factor in (1, 1.5, 1.9, 2.1)]
    assert add_sessions(measured(*slower))["fit"] == 3


@pytest.mark.parametrize(
    "failure",
    [
        StageError("no answer came"),
        ExceptionGroup("tasks", [ExceptionGroup("one", [StageError("no answer came")])]),
    ],
)
def test_a_step_that_cannot_be_measured_is_the_end(failure: Exception) -> None:
    found = add_sessions(measured(figures(), failure))
    assert conclude(found) == "1 fits; 2 do not, because no answer came"
    assert found["steps"][1]["figures"] is None
    with pytest.raises(StageError, match="no answer came"):
        add_sessions(measured(failure))


def test_what_is_no_failure_of_the_server_is_not_swallowed() -> None:
    mixed = ExceptionGroup("tasks", [StageError("no answer came"), ZeroDivisionError()])
    with pytest.raises(ExceptionGroup):
        add_sessions(measured(figures(), mixed))


def test_no_more_than_asked_for_are_tried() -> None:
    found = add_sessions(measured(figures(), figures()), most=2)
    assert conclude(found) == "2 fit; more were not tried"


def test_the_table_has_a_row_for_each_number(capsys: pytest.CaptureFixture[str]) -> None:
    bad = figures(late_share=0.068, fps=24.91)
    print_steps({"machine": MACHINE, **add_sessions(measured(figures(), bad))})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "a processor, 2 cores, load 0.1 before"
    assert lines[2].split() == [
        "1", "0.85", "(1.03)", "1.51", "(1.78)", "0.03", "(0.12)", "25.0", "25.0", "0.4%", "0.0%", "1.36",
    ]  # fmt: skip
    assert "6.8%" in lines[3]
    assert lines[4].startswith("1 fits; 2 do not, because 6.8%")


def test_a_step_without_figures_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    failed = add_sessions(measured(figures(), StageError("no answer came")))
    print_steps({"machine": MACHINE, **failed})
    assert capsys.readouterr().out.splitlines()[3].split() == ["2"]


def test_figures_within_figures_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"visits": 30, "grown": {"memory_mb": 1.5, "threads": 0}}
    print_live({"machine": MACHINE, "figures": values})
    assert capsys.readouterr().out.splitlines()[1:] == [
        "visits                 30",
        "grown                  memory_mb 1.5  threads 0",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["live", "--until-worse", "--visits", "30"],
        ["live", "--until-worse", "--sessions", "2"],
        ["live", "--visits", "30", "--known"],
        ["animator", "--visits", "30"],
    ],
)
def test_what_cannot_be_measured_together_is_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert "--visits" in result.output


def test_pictures_shown_twice_are_not_counted() -> None:
    shown = Shown()
    assert shown.distinct_fps == 0
    shown.note({"ticks": 100, "repeats": 40}, {"ticks": 200, "repeats": 50})
    assert shown.distinct_fps == 22.5
    shown.note({"ticks": 1000, "repeats": 0}, {"ticks": 1100, "repeats": 50})
    assert shown.distinct_fps == 17.5


def test_half_of_the_visitors_vanish_and_half_of_those_who_speak() -> None:
    visits = range(200)
    assert sum(map(vanishes, visits)) == 100
    assert sum(map(is_spoken, visits)) == 50
    assert sum(is_spoken(n) and vanishes(n) for n in visits) in (25, 26)


# How a listener goes.


@asynccontextmanager
async def visit(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Listener, StandInSession]]:
    """A listener who came in over WebRTC to a session that shows a moving bar."""
    monkeypatch.setattr(webrtc, "SILENCE_LIMIT", 2.5)
    session = StandInSession()
    app = make_app({session.id: session}, ServerSettings())

    @app.post("/api/v1/sessions")
    async def open_session() -> dict[str, str]:
        return {"id": session.id}

    @app.delete("/api/v1/sessions/{id}")
    async def end_session(id: str) -> None:
        await session.close()

    await session.start()
    async with run(app) as address, Listener(f"http://{address}", TOKEN) as listener:
        yield listener, session
    await session.close()


async def wait_until(fits: Callable[[], bool], patience: float) -> None:
    async with asyncio.timeout(patience):
        while not fits():  # noqa: ASYNC110  # the stand-in has no event for it
            await asyncio.sleep(0.05)


async def test_who_vanishes_ends_nothing_and_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with visit(monkeypatch) as (listener, session):
        assert session.connections == 2  # sound and picture, and events
        await listener.vanish()
        await asyncio.sleep(0.5)
        assert not session.is_closed
        assert session.connections == 1, "the server was told that sound and picture end"
        await wait_until(lambda: session.connections == 0, 10)
        assert not session.is_closed


async def test_who_leaves_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with visit(monkeypatch) as (listener, session):
        await listener.leave()
        assert session.is_closed
        await wait_until(lambda: session.connections == 0, 1)
