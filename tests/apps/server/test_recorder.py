"""A session's events become records; a database in trouble never becomes the session's."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from store_place import Place

from visavis.apps.assemble import Cast
from visavis.apps.server.protocol import ServerEvent, commands, events
from visavis.apps.server.sessions.registry import Sessions
from visavis.apps.server.settings import ServerSettings
from visavis.apps.server.store import FeedbackRecord, SessionRecord, Store, TurnRecord
from visavis.apps.server.store import note as notes
from visavis.apps.server.store import recorder as recording
from visavis.apps.server.store.recorder import Policy, Recorder

PHONE = "我的电话13800138000，狗怎么上户口"


class Scripted:
    """A session whose events are said by the test."""

    def __init__(self, id: str = "s") -> None:
        self.id = id
        self.observers: list[Callable[[Any], None]] = []

    def subscribe(self, observer: Callable[[ServerEvent], None]) -> Callable[[], None]:
        self.observers.append(observer)
        return lambda: self.observers.remove(observer)

    def subscribe_commands(self, observer: Callable[[Any], None]) -> Callable[[], None]:
        return lambda: None

    def snapshot(self) -> dict[str, Any]:
        return {"avatar": "mei", "ticks": 250, "late": 3}

    def say(self, *told: ServerEvent) -> None:
        for event in told:
            for observer in tuple(self.observers):
                observer(event)


def turn(
    number: int, question: str, outcome: str, *, kind: str = "text", reason: str = "complete"
) -> list[ServerEvent]:
    spoken = kind == "audio"
    told: list[ServerEvent] = [
        events.TurnStarted(turn=number, kind=kind, text="" if spoken else question)
    ]
    if spoken:
        told.append(events.TranscriptFinal(turn=number, text=question, language="zh"))
    if outcome:
        source = events.Source(title="户籍", question="如何上户口")
        told += [
            events.AnswerSources(turn=number, outcome=outcome, confidence=0.25, sources=(source,)),
            events.AnswerText(turn=number, text="先登记，"),
            events.AnswerText(turn=number, text="再取证。"),
        ]
    return [
        *told,
        events.LatencyMark(turn=number, mark="first_sound", seconds=1.25),
        events.TurnEnded(turn=number, reason=reason, heard="先登记，"),
    ]


ENDED = events.SessionEnded(reason="left", message="")


async def record(store: Store, policy: Policy, *told: ServerEvent) -> dict[int, TurnRecord]:
    recorder = Recorder(store, policy, pause=0.01)
    recorder.open()
    session = Scripted()
    recorder.watch(session)
    session.say(*told, ENDED)
    await recorder.close()
    assert session.observers == []
    assert recorder.state.dropped == 0
    return {t.number: t for t in await store.list_turns()}


async def test_a_turn_from_its_events(store: Store) -> None:
    before = time.time()
    found = await record(
        store, "all", *turn(1, PHONE, "refusal", kind="audio", reason="interrupted")
    )
    assert before <= found[1].time <= time.time()
    assert replace(found[1], time=0.0) == TurnRecord(
        "s", 1, 0.0, "audio", "我的电话[phone]，狗怎么上户口", True, "refusal", 0.25, "如何上户口",
        "户籍", "zh", {"first_sound": 1.25}, "interrupted", 0.5, "先登记，再取证。",
    )  # fmt: skip
    session = await store.get_session("s")
    assert session is not None
    assert session.ended is not None
    assert replace(session, created=0.0, ended=0.0) == SessionRecord(
        "s", 0.0, "mei", "zh", "", 0.0, "left", 1, 250, 3
    )


@pytest.mark.parametrize(
    ("policy", "kept"),
    [("none", set()), ("unanswered", {2, 3}), ("all", {1, 2, 3, 4, 5})],
)
async def test_question_texts_are_kept_as_the_policy_says(
    store: Store, policy: Policy, kept: set[int]
) -> None:
    outcomes = ("answer", "hint", "refusal", "choice", "")
    told = [e for n, o in enumerate(outcomes, 1) for e in turn(n, PHONE, o)]
    found = await record(store, policy, *told, *turn(6, "欢迎光临", "", kind="script"))
    assert {n for n, t in found.items() if t.question is not None} == kept
    assert not any("138" in (t.question or "") for t in found.values())
    answered = {1, 2, 3, 4} if policy == "all" else set()
    assert {n: t.answer for n, t in found.items() if t.answer} == dict.fromkeys(
        answered, "先登记，再取证。"
    )
    assert {n: t.outcome for n, t in found.items()} == dict(enumerate((*outcomes, ""), 1))
    session = await store.get_session("s")
    assert session is not None
    assert session.turns == 5


async def test_an_answer_is_kept_shortened_and_without_numbers(store: Store) -> None:
    said = events.AnswerText(turn=1, text="Your number 13800138000 is noted. ")
    endless = [events.AnswerText(turn=1, text="And so on. ") for _ in range(1_000)]
    told = [*turn(1, "a", "")[:1], said, *endless, events.TurnEnded(turn=1, reason="complete")]
    found = await record(store, "all", *told)
    assert found[1].answer is not None
    assert found[1].answer.startswith("Your number [phone] is noted. And so on. And")
    assert len(found[1].answer) <= 2_000
    assert found[1].heard == 1.0


async def test_the_file_holds_nothing_that_was_not_to_be_kept(tmp_path) -> None:
    store = Store(tmp_path)
    await store.open()
    await record(store, "unanswered", *turn(1, "谁是张三丰", "answer"), *turn(2, PHONE, "refusal"))
    held = b"".join(f.read_bytes() for f in sorted(tmp_path.glob("visavis.sqlite3*")))
    await store.close()
    assert "狗怎么上户口".encode() in held
    assert "张三丰".encode() not in held
    assert b"13800138000" not in held
    assert "先登记".encode() not in held


async def test_feedback_is_redacted_and_dropped_where_no_text_is_kept(store: Store) -> None:
    for policy, comment in (("unanswered", "call [phone]"), ("none", "")):
        recorder = Recorder(store, policy)  # type: ignore[arg-type]
        recorder.feedback("s", 1, "down", "call 13800138000")
        await recorder.close()
        (given, _), *rest = await store.list_feedback()
        assert replace(given, time=0.0) == FeedbackRecord("s", 1, "down", 0.0, comment)
        assert not rest


async def test_what_grows_too_old_while_the_server_runs_is_deleted(
    place: Place, monkeypatch
) -> None:
    monkeypatch.setattr(recording, "SETTLE", 0.05)
    monkeypatch.setattr(recording, "DAY", 0.1)
    store = place.make_store(retention_days=30)
    await store.open()
    now = time.time()
    await store.write([SessionRecord("old", now - 31 * 86_400), SessionRecord("new", now)])
    await store.write([TurnRecord("old", 1, now - 31 * 86_400, question="a", answer="b")])
    assert await store.count() == {"sessions": 2, "turns": 1, "feedback": 0}
    recorder = Recorder(store, "none", pause=0.01)
    recorder.open()
    for _ in range(100):
        if (await store.count())["sessions"] == 1:
            break
        await asyncio.sleep(0.05)
    await recorder.close()
    assert [session.id for session in await store.list_sessions()] == ["new"]
    assert await store.list_turns() == []
    await store.close()


async def test_a_figure_that_comes_after_the_end_is_kept(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(notes, "SETTLE", 0.3)
    monkeypatch.setattr(recording, "SETTLE", 0.05)
    recorder = Recorder(store, "none", pause=0.02)
    recorder.open()
    session = Scripted()
    recorder.watch(session)
    session.say(*turn(1, "x", "answer", reason="interrupted"))
    # It does not wait for the figure: nobody knows whether there will be one.
    await until(lambda: recorder.state.written == 2)
    assert (await store.list_turns())[0].latencies == {"first_sound": 1.25}
    session.say(events.LatencyMark(turn=1, mark="silence", seconds=0.125))
    await until(lambda: recorder.state.written == 3)
    (found,) = await store.list_turns()
    assert (found.latencies, found.ended) == (
        {"first_sound": 1.25, "silence": 0.125}, "interrupted",
    )  # fmt: skip
    await until(lambda: not recorder._notes["s"]._turns)
    session.say(events.LatencyMark(turn=1, mark="first_picture", seconds=9.0))
    assert not recorder._notes["s"].is_due, "what comes much later is of nothing that is known"
    session.say(ENDED)
    await recorder.close()
    assert (await store.list_turns()) == [found]


async def test_what_ends_together_is_written_together_and_silence_writes_nothing(
    store: Store, monkeypatch
) -> None:
    monkeypatch.setattr(recording, "SETTLE", 0.05)
    batches: list[int] = []
    write = store.write

    async def count(items: Any) -> None:
        batches.append(len(items))
        await write(items)

    monkeypatch.setattr(store, "write", count)
    recorder = Recorder(store, "all", pause=0.1)
    recorder.open()
    sessions = [Scripted(f"s{n}") for n in range(10)]
    for session in sessions:
        recorder.watch(session)
    await until(lambda: recorder.state.written == 10)
    for session in sessions:
        session.say(*turn(1, "狗怎么上户口", "refusal"))
        await asyncio.sleep(0)
    await until(lambda: recorder.state.written == 20)
    assert batches == [10, 10]
    await asyncio.sleep(0.5)
    for session in sessions:
        session.say(*turn(2, "狗怎么上户口", "refusal")[:-1])
    await asyncio.sleep(0.3)
    assert batches == [10, 10], "what has not ended is not written yet"
    await recorder.close()


async def test_turns_that_never_end_are_not_kept_in_memory(store: Store) -> None:
    session = Scripted()
    recorder = Recorder(store, "all", pause=0.01)
    recorder.open()
    recorder.watch(session)
    session.say(*(events.TurnStarted(turn=n, kind="text", text="x") for n in range(1, 101)))
    await until(lambda: recorder.state.written == 1 + 100 - notes.OPEN_TURNS)
    await recorder.close()
    assert {t.ended for t in await store.list_turns(limit=200)} == {""}
    assert (await store.count())["turns"] == 100


async def test_a_real_session_is_recorded(store: Store, cast: Cast) -> None:
    recorder = Recorder(store, "all", pause=0.02)
    recorder.open()
    sessions = Sessions(cast, ServerSettings(sessions=1), on_open=recorder.watch)
    session = await sessions.open()
    recorder.note_transport(session.id, "webrtc")
    async with session.events() as reader:
        await session.handle(commands.Ask(text="How do I renew my card? Call 13800138000"))
        async with asyncio.timeout(20):
            async for event in reader:
                if event.type == "turn.ended":
                    break
        await session.handle(commands.Feedback(turn=1, rating="up", comment="thanks"))
    await sessions.close()
    await recorder.close()
    (found,) = await store.list_turns()
    assert found.question == "How do I renew my card? Call [phone]"
    assert (found.number, found.kind, found.ended, found.heard) == (1, "text", "complete", 1.0)
    assert {"first_sound", "first_picture", "responder", "synthesizer"} <= set(found.latencies)
    assert found.latencies["first_sound"] > 0
    kept = await store.get_session(session.id)
    assert kept is not None
    assert (kept.reason, kept.turns, kept.transport) == ("closed", 1, "webrtc")
    assert kept.frames > 0
    assert kept.ended is not None
    assert [(g.rating, g.comment) for g, _ in await store.list_feedback()] == [("up", "thanks")]


async def until(is_so: Callable[[], bool], limit: float = 60.0) -> None:
    end = time.monotonic() + limit
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.02)


def is_well(recorder: Recorder) -> bool:
    return not recorder.state.waiting and not recorder.state.trouble


async def worst_lag(seconds: float) -> float:
    """How late the event loop was at worst."""
    worst, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        await asyncio.sleep(0.01)
        worst = max(worst, time.monotonic() - began - 0.01)
    return worst


async def test_a_locked_database_is_waited_for_and_nothing_is_lost(tmp_path, caplog) -> None:
    store = Store(tmp_path)
    await store.open()
    recorder = Recorder(store, "all", pause=0.05)
    recorder.open()
    session = Scripted()
    recorder.watch(session)
    with closing(sqlite3.connect(tmp_path / "visavis.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for n in range(1, 51):
            session.say(*turn(n, "狗怎么上户口", "refusal"))
        while not recorder.state.trouble:
            # The lock is waited for for five seconds; the event loop is not.
            assert await worst_lag(0.2) < 2.0
        assert "locked" in recorder.state.trouble
        assert recorder.figures()["failing"] == 1.0
        session.say(ENDED)
        assert recorder.state.waiting == 52
        other.execute("COMMIT")
    await until(lambda: is_well(recorder))
    assert recorder.state.dropped == 0
    assert (await store.count())["turns"] == 50
    await recorder.close()
    await store.close()
    assert [r.levelname for r in caplog.records] == ["ERROR", "WARNING"]


async def test_a_full_disk_is_told_and_the_session_goes_on(tmp_path, caplog) -> None:
    store = Store(tmp_path)
    await store.open()
    room = 80

    # SQLite's own bound on the file: what it raises then is what it raises on a full disk.
    def bound(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {room}")

    sqlalchemy_event.listen(store.engine.sync_engine, "begin", bound)
    recorder = Recorder(store, "all", limit=300, pause=0.02)
    recorder.open()
    session = Scripted()
    recorder.watch(session)
    for n in range(1, 1001):
        session.say(*turn(n, f"问题{n}" * 100, "refusal"))
        if n % 100 == 0:
            await asyncio.sleep(0.05)
    await until(lambda: bool(recorder.state.trouble))
    assert "full" in recorder.state.trouble
    session.say(ENDED)
    assert session.observers == []
    assert recorder.state.waiting <= 300 + 500
    assert recorder.state.dropped > 0
    room = 100_000
    await until(lambda: is_well(recorder))
    await recorder.close()
    kept = (await store.get_session("s"), (await store.count())["turns"])
    assert kept[0] is not None
    assert kept[0].reason == "left"
    assert 300 <= kept[1] == recorder.state.written - 2 < 1000
    await store.close()
    assert sum(r.levelname == "ERROR" for r in caplog.records) == 1


async def test_a_postgresql_that_goes_and_comes_back(cluster, tmp_path) -> None:
    place = Place(tmp_path, cluster.make_database(), cluster)
    store = place.make_store()
    await store.open()
    recorder = Recorder(store, "all", pause=0.05)
    recorder.open()
    session = Scripted()
    recorder.watch(session)
    await until(lambda: recorder.state.written == 1)
    await asyncio.to_thread(cluster.stop, "immediate")
    try:
        session.say(*turn(1, "一", "refusal"), *turn(2, "二", "refusal"), ENDED)
        await until(lambda: bool(recorder.state.trouble))
    finally:
        await asyncio.to_thread(cluster.start)
    await until(lambda: is_well(recorder))
    assert recorder.state.dropped == 0
    assert (await store.count())["turns"] == 2
    await recorder.close()
    await store.close()


async def test_one_record_that_is_refused_does_not_take_others_along(store: Store, caplog) -> None:
    recorder = Recorder(store, "all", pause=0.02)
    session = Scripted()
    recorder.watch(session)
    for n in range(1, 6):
        session.say(*turn(n, "刻舟求剑", "answer"))
    session.say(events.LatencyMark(turn=3, mark="silence", seconds=1.0))
    note = recorder._notes["s"]
    note._turns[3].latencies["silence"] = b"no number"  # type: ignore[assignment]
    session.say(ENDED)
    recorder.open()
    await until(lambda: recorder.state.waiting == 0)
    await recorder.close()
    assert {t.number for t in await store.list_turns()} == {1, 2, 4, 5}
    assert (recorder.state.dropped, recorder.state.trouble) == (1, "")
    # A log is no place for what users say.
    assert "刻舟求剑" not in caplog.text


async def test_closing_does_not_wait_for_ever(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr("visavis.apps.server.store.recorder.FAREWELL", 0.3)
    store = Store(tmp_path)
    await store.open()
    recorder = Recorder(store, "all", pause=60)
    recorder.open()
    recorder.watch(Scripted())
    with closing(sqlite3.connect(tmp_path / "visavis.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        await recorder.close()
        # What waits for the lock in SQLite cannot be called back before its five seconds.
        assert time.monotonic() - began < 20
        other.execute("ROLLBACK")
    assert recorder.state.dropped == 1
    assert "not written" in caplog.text
    await store.close()
