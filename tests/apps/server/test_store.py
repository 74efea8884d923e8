"""What is written is read back, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError
from store_place import Place

from visavis.apps.server.store import (
    FeedbackRecord,
    JobRecord,
    SessionRecord,
    Store,
    TurnRecord,
)
from visavis.core.errors import ConfigError, StoreUnavailable

NOW = time.time()
TURN = TurnRecord(
    session="a",
    number=1,
    time=NOW,
    kind="audio",
    question="如何给狗上户口",
    redacted=True,
    outcome="refusal",
    confidence=0.25,
    matched="如何上户口",
    source="户籍",
    language="zh",
    latencies={"first_sound": 1.25, "silence": 0.125},
    ended="interrupted",
    heard=0.5,
    answer="请到派出所办理",
)


def job(id: str, **fields: object) -> JobRecord:
    return JobRecord(id, "render", {"text": "你好 \0 \ud800"}, NOW, NOW, **fields)  # type: ignore[arg-type]


async def test_records_come_back_as_they_went_in(store: Store) -> None:
    session = SessionRecord("a", NOW, "mei", "zh", "webrtc", NOW + 9, "left", 1, 225, 2)
    feedback = FeedbackRecord("a", 1, "down", NOW, "过期了")
    await store.write([session, TURN, feedback])
    assert await store.get_session("a") == session
    assert await store.list_sessions() == [session]
    assert await store.list_turns(session="a") == [TURN]
    assert await store.list_feedback() == [(feedback, TURN)]
    assert await store.list_feedback(rating="up") == []
    assert await store.count() == {"sessions": 1, "turns": 1, "feedback": 1}


async def test_writing_again_replaces(store: Store) -> None:
    ended = SessionRecord("a", NOW, ended=NOW + 1, reason="left", turns=1)
    await store.write([SessionRecord("a", NOW), TURN, ended, FeedbackRecord("a", 1, "up", NOW)])
    changed = replace(TURN, ended="complete", question=None)
    await store.write([changed, FeedbackRecord("a", 1, "down", NOW + 1), ended])
    assert await store.list_turns() == [changed]
    assert await store.get_session("a") == ended
    assert [given.rating for given, _ in await store.list_feedback()] == ["down"]


async def test_a_turn_of_an_unknown_session_is_not_lost(store: Store) -> None:
    await store.write([replace(TURN, session="new"), FeedbackRecord("other", 3, "up", NOW)])
    assert {s.id: s.created for s in await store.list_sessions()} == {"new": NOW, "other": NOW}
    assert (await store.list_feedback())[0][1] is None


async def test_a_batch_is_written_whole_or_not_at_all(store: Store) -> None:
    broken = replace(TURN, number=2, question=b"no text")  # type: ignore[arg-type]
    with pytest.raises(Exception, match=r".") as refused:
        await store.write([SessionRecord("a", NOW), TURN, broken])
    assert not isinstance(refused.value, StoreUnavailable)
    assert await store.count() == {"sessions": 0, "turns": 0, "feedback": 0}


async def test_texts_that_a_database_refuses_are_made_fit(store: Store) -> None:
    await store.add_turn(replace(TURN, question="a\0b \ud800 c 😀"))
    assert (await store.list_turns())[0].question == "ab ? c 😀"


async def test_ending_a_session(store: Store) -> None:
    await store.add_session(SessionRecord("a", NOW))
    await store.end_session("a", ended=NOW + 5, reason="idle")
    assert await store.get_session("a") == SessionRecord("a", NOW, ended=NOW + 5, reason="idle")
    assert await store.get_session("b") is None


async def test_pages_of_turns_do_not_overlap(store: Store) -> None:
    await store.write([replace(TURN, number=n, time=NOW + n) for n in range(1, 26)])
    pages = [await store.list_turns(limit=10, offset=o) for o in (0, 10, 20)]
    assert [t.number for page in pages for t in page] == list(range(25, 0, -1))


async def test_deleting_a_session_takes_its_turns_along(store: Store) -> None:
    await store.write([TURN, FeedbackRecord("a", 1, "up", NOW), replace(TURN, session="b")])
    assert await store.delete_session("a")
    assert not await store.delete_session("a")
    assert await store.count() == {"sessions": 1, "turns": 1, "feedback": 0}


async def test_one_question_is_deleted_and_its_neighbours_stay(store: Store) -> None:
    about = [FeedbackRecord("a", n, "down", NOW, "x") for n in (1, 2)]
    await store.write([TURN, replace(TURN, number=2), replace(TURN, session="b"), *about])
    assert await store.delete_turn("a", 1)
    assert {(t.session, t.number) for t in await store.list_turns()} == {("a", 2), ("b", 1)}
    assert [given.turn for given, _ in await store.list_feedback()] == [2]
    assert not await store.delete_turn("a", 1)
    assert not await store.delete_turn("nobody", 2)


@pytest.mark.parametrize("which", ["turn", "session"])
async def test_what_is_deleted_singly_is_overwritten_too(tmp_path: Path, which: str) -> None:
    store = Store(tmp_path / "data")
    await store.open()
    secret = "das-geheimnis-der-frage"
    await store.write([replace(TURN, question=secret, answer=secret), replace(TURN, session="b")])

    def held() -> bool:
        files = (tmp_path / "data").glob("visavis.sqlite3*")
        return secret.encode() in b"".join(file.read_bytes() for file in files)

    assert held()
    if which == "turn":
        assert await store.delete_turn("a", 1)
    else:
        assert await store.delete_session("a")
    assert not held()
    assert len(await store.list_turns()) == 1
    await store.close()


async def test_what_is_too_old_is_gone_when_the_store_opens(place: Place) -> None:
    old, edge = NOW - 31 * 86_400, NOW - 29 * 86_400
    kept = place.make_store(retention_days=30)
    await kept.open()
    await kept.write(
        [
            SessionRecord("old", old),
            replace(TURN, session="old", time=old),
            FeedbackRecord("old", 1, "up", old),
            SessionRecord("edge", edge),
            replace(TURN, session="edge", time=edge),
        ]
    )
    await kept.close()
    await kept.open()
    assert [s.id for s in await kept.list_sessions()] == ["edge"]
    assert await kept.count() == {"sessions": 1, "turns": 1, "feedback": 0}
    await kept.close()


async def test_purging_many_sessions(store: Store) -> None:
    await store.write([SessionRecord(f"s{n}", NOW - 100 + n / 1000) for n in range(2_500)])
    await store.write([replace(TURN, session=f"s{n}") for n in range(2_500)])
    assert await store.purge(NOW + 1) == {"sessions": 2_500, "turns": 2_500, "feedback": 0}
    assert await store.count() == {"sessions": 0, "turns": 0, "feedback": 0}


async def test_a_live_session_that_was_purged_comes_back_with_its_next_turn(store: Store) -> None:
    await store.write([SessionRecord("a", NOW), TURN])
    await store.purge(NOW + 1)
    await store.add_turn(replace(TURN, number=2))
    assert [t.number for t in await store.list_turns(session="a")] == [2]


async def test_sessions_of_a_killed_server_are_ended(store: Store) -> None:
    await store.write(
        [
            SessionRecord("lost", NOW - 5000),
            replace(TURN, session="lost", time=NOW - 4000),
            SessionRecord("empty", NOW - 5000),
            SessionRecord("lives", NOW - 50),
            SessionRecord("over", NOW - 5000, ended=NOW - 4900, reason="left"),
        ]
    )
    assert await store.end_lost_sessions(3600) == 2
    found = {s.id: (s.ended, s.reason) for s in await store.list_sessions()}
    assert found == {
        "lost": (NOW - 4000, "lost"),
        "empty": (NOW - 5000, "lost"),
        "lives": (None, ""),
        "over": (NOW - 4900, "left"),
    }


async def test_jobs_are_claimed_in_order_and_once(place: Place) -> None:
    stores = [place.make_store() for _ in range(3)]
    for one in stores:
        await one.open()
    for n in range(30):
        await stores[0].add_job(job(f"j{n:02}"))
    assert await stores[0].count_ahead("j07") == 7

    async def drain(one: Store) -> list[str]:
        taken = []
        while (found := await one.claim_next_job()) is not None:
            assert found.state == "running"
            taken.append(found.id)
        return taken

    taken = await asyncio.gather(*(drain(one) for one in stores))
    assert all(part == sorted(part) for part in taken)
    assert sorted(id for part in taken for id in part) == [f"j{n:02}" for n in range(30)]
    for one in stores:
        await one.close()


async def test_a_job_from_its_order_to_its_end(store: Store) -> None:
    added = await store.add_job(job("j"))
    assert added.owner
    assert await store.get_job("j") == added
    assert added.request == {"text": "你好 \0 \ud800"}
    await store.claim_next_job()
    half = await store.update_job("j", progress=0.5)
    assert half is not None
    assert (half.state, half.progress) == ("running", 0.5)
    done = await store.update_job(
        "j",
        state="done",
        progress=1.0,
        result={"video": "a.mp4"},
        expires=NOW - 1,
        when=("running",),
    )
    assert done == await store.get_job("j")
    assert done is not None
    assert done.result == {"video": "a.mp4"}
    assert await store.list_expired_jobs() == [done]
    assert await store.list_expired_jobs(NOW - 2) == []
    assert await store.count_jobs() == {"done": 1}
    assert await store.delete_job("j")
    assert not await store.delete_job("j")
    assert await store.get_job("j") is None


async def test_a_cancelled_job_does_not_become_done(store: Store) -> None:
    await store.add_job(job("j"))
    await store.claim_next_job()
    assert await store.update_job("j", state="cancelled", when=("queued", "running")) is not None
    assert await store.update_job("j", state="done", when=("running",)) is None
    found = await store.get_job("j")
    assert found is not None
    assert found.state == "cancelled"


async def test_running_jobs_go_back_to_their_place(place: Place) -> None:
    first = place.make_store()
    await first.open()
    for name in ("a", "b", "c"):
        await first.add_job(job(name))
    await first.claim_next_job()
    await first.claim_next_job()
    await first.close()
    second = place.make_store()
    await second.open()
    assert await second.requeue_running_jobs() == 2
    assert [j.id for j in await second.list_jobs(states=("queued",))] == ["c", "b", "a"]
    claimed = await second.claim_next_job()
    assert claimed is not None
    assert claimed.id == "a"
    await second.close()


async def test_jobs_of_another_data_folder_are_left_alone(store: Store) -> None:
    await store.add_job(job("elsewhere", owner="another", state="running"))
    await store.add_job(job("waiting", owner="another"))
    assert await store.claim_next_job() is None
    assert await store.requeue_running_jobs() == 0
    assert len(await store.list_jobs()) == 2


async def test_one_name_is_one_job(store: Store) -> None:
    await store.add_job(job("j"))
    with pytest.raises(IntegrityError):
        await store.add_job(job("j"))


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.count()
    await store.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://root@localhost/x", "mysql"),
        ("what is this", "not a URL"),
        ("sqlite://", "sqlite"),
    ],
)
def test_urls_that_cannot_be_used(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Store(tmp_path, url=url)


async def test_a_database_that_is_away_is_told_without_its_password(tmp_path: Path) -> None:
    store = Store(tmp_path, url=f"postgresql://me:hush@/x?host={tmp_path}")
    with pytest.raises(StoreUnavailable, match="does not answer") as away:
        await store.open()
    assert "hush" not in str(away.value)
    assert "hush" not in store.where


async def test_a_sqlite_file_is_for_its_owner_alone_and_forgets_what_is_purged(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "data")
    await store.open()
    secret = "das-geheimnis-der-frage"
    await store.write([replace(TURN, question=secret, number=n) for n in range(1, 20_000)])
    files = sorted((tmp_path / "data").glob("visavis.sqlite3*"))
    assert len(files) == 3
    assert {f.stat().st_mode & 0o777 for f in files} == {0o600}
    assert secret.encode() in b"".join(f.read_bytes() for f in files)
    size = sum(f.stat().st_size for f in files)
    await store.purge(NOW + 1)
    assert secret.encode() not in b"".join(f.read_bytes() for f in files)
    await store.close()
    assert files[0].stat().st_size < size / 10


@pytest.mark.parametrize("break_it", ["a file for a folder", "no database"])
async def test_what_cannot_be_opened_is_told(tmp_path: Path, break_it: str) -> None:
    folder = tmp_path / "data"
    if break_it == "no database":
        folder.mkdir()
        (folder / "visavis.sqlite3").write_bytes(b"these are notes, and no database" * 100)
    else:
        folder.write_text("")
    file = folder / "visavis.sqlite3" if folder.is_dir() else folder
    before = file.read_bytes()
    with pytest.raises(ConfigError, match=str(folder)):
        await Store(folder).open()
    assert file.read_bytes() == before
