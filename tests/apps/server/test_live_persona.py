"""A persona in live sessions: its name, its greeting, and a history that can be cleared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from api_client import error_of, open_api

from visavis.apps.assemble import Cast
from visavis.apps.server.protocol import ServerEvent, commands
from visavis.apps.server.sessions.registry import Sessions
from visavis.apps.server.settings import ServerSettings
from visavis.core.types import Message
from visavis.stages.fakes import EchoResponder
from visavis.stages.responders.faq import FaqResponder
from visavis.stages.responders.persona import Persona, load_persona

CLERK = load_persona("clerk")
HELLO = "Hello, I am Xiaohui, and I am an AI. What can I do for you?"


class Clerk(EchoResponder):
    """Answers as somebody, and keeps the dialogues that it was asked with."""

    def __init__(self, persona: Persona = CLERK) -> None:
        super().__init__("Bring your card. It is free.")
        self.persona = persona
        self.asked: list[list[str]] = []
        self.forgotten = 0

    async def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        self.asked.append([message.text for message in history])
        async for piece in super().reply(history):
            yield piece

    def forget(self) -> None:
        self.forgotten += 1


class PlainCast(Cast):
    """Without moods, so that the responder of a session is nobody but its own."""

    def attune(self, responder: Any) -> Any:
        return responder


def staffed(cast: Cast, responder: Any) -> Cast:
    # The fixture's class knows how to make the face.
    made: Cast = type("Staffed", (type(cast),), {"attune": PlainCast.attune})(
        cast.settings, _responder=responder
    )
    return made


@pytest.fixture
def clerk() -> Clerk:
    return Clerk()


@pytest.fixture
async def sessions(cast: Cast, clerk: Clerk) -> AsyncIterator[Sessions]:
    opened = Sessions(staffed(cast, clerk), ServerSettings(sessions=3))
    yield opened
    await opened.close()


async def read_until(reader: Any, kind: str, limit: float = 20.0) -> list[ServerEvent]:
    found: list[ServerEvent] = []
    async with asyncio.timeout(limit):
        async for event in reader:
            found.append(event)
            if event.type == kind:
                return found
    raise AssertionError(f"the events ended without {kind}: {[e.type for e in found]}")


def of(story: list[ServerEvent], kind: str) -> list[Any]:
    return [event for event in story if event.type == kind]


class TestGreeting:
    async def test_it_is_spoken_once_and_is_no_question(self, sessions: Sessions) -> None:
        session = await sessions.open(language="en")
        async with session.events() as reader:
            await session.handle(commands.Greet())
            story = await read_until(reader, "turn.ended")
            (began,) = of(story, "turn.started")
            assert (began.kind, began.text) == ("greeting", "")
            said = [sentence.text for sentence in of(story, "sentence.started")]
            assert " ".join(said) == HELLO
            assert (story[-1].reason, story[-1].heard) == ("complete", HELLO)
            assert of(story, "latency") == [], "nobody waited for it"
            assert session.snapshot()["turns"] == 0
            await session.handle(commands.Greet())
            await session.handle(commands.Ping(sent=1))
            assert [e.type for e in await read_until(reader, "pong")] == ["session.state", "pong"]

    async def test_a_reconnection_is_told_the_name_and_gets_no_second_greeting(
        self, sessions: Sessions
    ) -> None:
        session = await sessions.open(language="zh")
        async with session.events() as reader:
            first = await anext(reader)
            await session.handle(commands.Greet())
            story = await read_until(reader, "turn.ended")
            assert of(story, "sentence.started")[0].text == "您好，我是小惠，由人工智能驱动。"
        async with session.events() as reader:
            again = await anext(reader)
            await session.handle(commands.Greet())
            await session.handle(commands.Ping(sent=1))
            assert of(await read_until(reader, "pong"), "turn.started") == []
        for started in (first, again):
            assert started.persona.name == {"zh": "小惠", "en": "Xiaohui"}
            assert started.persona.greeting["en"] == HELLO

    async def test_the_language_that_was_changed_to_is_spoken(self, sessions: Sessions) -> None:
        session = await sessions.open(language="zh")
        async with session.events() as reader:
            await session.handle(commands.Change(language="en"))
            await session.handle(commands.Greet())
            story = await read_until(reader, "sentence.started")
            assert story[-1].language == "en"

    async def test_it_is_broken_off_like_anything_said(
        self, sessions: Sessions, clerk: Clerk
    ) -> None:
        session = await sessions.open(language="en")
        async with session.events() as reader:
            await session.handle(commands.Greet())
            await read_until(reader, "sentence.started")
            await session.handle(commands.Ask(text="How much?"))
            story = await read_until(reader, "turn.ended")
            assert story[-1].reason == "interrupted"
            assert "What can I do for you" not in story[-1].heard
            story = await read_until(reader, "turn.ended")
            assert story[-1].reason == "complete"
        assert clerk.asked[0][-1] == "How much?"

    async def test_who_has_asked_already_is_not_greeted(self, sessions: Sessions) -> None:
        session = await sessions.open(language="en")
        async with session.events() as reader:
            await session.handle(commands.Ask(text="How much?"))
            await session.handle(commands.Greet())
            await read_until(reader, "turn.ended")
            await session.handle(commands.Greet())
            await session.handle(commands.Ping(sent=1))
            assert of(await read_until(reader, "pong"), "turn.started") == []

    @pytest.mark.parametrize(
        "persona", [None, replace(CLERK, greeting={}), replace(CLERK, greeting={"zh": "您好。"})]
    )
    async def test_without_words_nothing_is_said(self, cast: Cast, persona: Persona | None) -> None:
        responder = EchoResponder("Yes.") if persona is None else Clerk(persona)
        opened = Sessions(staffed(cast, responder), ServerSettings(sessions=1))
        session = await opened.open(language="en")
        async with session.events() as reader:
            assert ((await anext(reader)).persona is None) == (persona is None)
            await session.handle(commands.Greet())
            await session.handle(commands.Ping(sent=1))
            assert [e.type for e in await read_until(reader, "pong")] == ["pong"]
        await opened.close()

    async def test_it_is_not_among_the_records(
        self, tmp_path: Path, cast: Cast, clerk: Clerk
    ) -> None:
        async with open_api(tmp_path, staffed(cast, clerk), records="all") as api:
            session = await api.house.sessions.open(language="en")
            async with session.events() as reader:
                await session.handle(commands.Greet())
                await read_until(reader, "turn.ended")
                await session.handle(commands.Ask(text="How much?"))
                await read_until(reader, "turn.ended")
            await session.close("left")
            for _ in range(200):
                found = await api.house.store.get_session(session.id)
                if found is not None and found.ended:
                    break
                await asyncio.sleep(0.05)
            assert found is not None
            assert found.turns == 1
            turns = await api.house.store.list_turns()
            assert [(turn.kind, turn.question) for turn in turns] == [("text", "How much?")]


class TestForgetting:
    async def test_the_next_question_stands_alone(self, sessions: Sessions, clerk: Clerk) -> None:
        session = await sessions.open(language="en")
        async with session.events() as reader:
            for question in ("What do I bring?", "How much?"):
                await session.handle(commands.Ask(text=question))
                await read_until(reader, "turn.ended")
            assert clerk.asked[1] == [
                "What do I bring?",
                "Bring your card. It is free.",
                "How much?",
            ]
            await session.handle(commands.Forget())
            await session.handle(commands.Ask(text="And where?"))
            story = await read_until(reader, "turn.ended")
        kinds = [event.type for event in story]
        assert kinds.index("history.cleared") < kinds.index("turn.started")
        assert clerk.asked[2] == ["And where?"]
        assert clerk.forgotten == 0, "the shared responder is everybody's"

    async def test_what_is_being_said_is_broken_off_and_forgotten(
        self, sessions: Sessions, clerk: Clerk
    ) -> None:
        session = await sessions.open(language="en")
        async with session.events() as reader:
            await session.handle(commands.Ask(text="What do I bring?"))
            await read_until(reader, "sentence.started")
            await session.handle(commands.Forget())
            story = await read_until(reader, "history.cleared")
            assert of(story, "turn.ended")[0].reason == "interrupted"
            await session.handle(commands.Playback(at=10.0))
            await session.handle(commands.Ask(text="And where?"))
            await read_until(reader, "turn.ended")
        assert clerk.asked[-1] == ["And where?"]

    async def test_the_mood_is_forgotten_by_who_keeps_it(
        self, cast: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = Clerk()
        moody = staffed(cast, EchoResponder("Yes."))
        monkeypatch.setattr(type(moody), "attune", lambda self, responder: own)
        opened = Sessions(moody, ServerSettings(sessions=1))
        session = await opened.open()
        await session.handle(commands.Forget())
        assert own.forgotten == 1
        await opened.close()

    async def test_over_http(self, tmp_path: Path, cast: Cast, clerk: Clerk) -> None:
        async with open_api(tmp_path, staffed(cast, clerk)) as api:
            opened = (await api.post("/api/v1/sessions", json={"language": "en"})).json()
            path = f"/api/v1/sessions/{opened['id']}"
            session = api.house.sessions.get(opened["id"])
            assert session is not None
            async with session.events() as reader:
                await session.handle(commands.Ask(text="What do I bring?"))
                await read_until(reader, "turn.ended")
                assert (await api.delete(f"{path}/history")).status_code == 204
                await read_until(reader, "history.cleared")
                await session.handle(commands.Ask(text="And where?"))
                await read_until(reader, "turn.ended")
            assert clerk.asked[-1] == ["And where?"]
            assert (await api.delete(path)).status_code == 204
            assert error_of(await api.delete(f"{path}/history")) == (404, "NotFound")

    async def test_a_follow_up_means_nothing_without_its_question(self, cast: Cast) -> None:
        """With the sample base: 'and for a child' belongs to the question before it."""
        opened = Sessions(staffed(cast, FaqResponder()), ServerSettings(sessions=1))
        session = await opened.open(language="en")
        outcomes = []
        async with session.events(limit=4_000) as reader:
            for command in (
                commands.Ask(text=BEFORE),
                commands.Ask(text=THEN),
                commands.Forget(),
                commands.Ask(text=THEN),
            ):
                await session.handle(command)
                if isinstance(command, commands.Ask):
                    story = await read_until(reader, "answer.sources")
                    outcomes.append((story[-1].outcome, len(story[-1].sources)))
                    await session.handle(commands.Interrupt())
                    await read_until(reader, "turn.ended")
        await opened.close()
        assert outcomes[:2] == [("answer", 1), ("answer", 1)]
        assert outcomes[2][0] != "answer"


BEFORE, THEN = "How do I get a passport?", "and how much does it cost?"


class TestApi:
    async def test_who_answers(self, tmp_path: Path, cast: Cast, clerk: Clerk) -> None:
        async with open_api(tmp_path, staffed(cast, clerk)) as api:
            told = (await api.get("/api/v1/persona")).json()["persona"]
            assert told["name"] == {"zh": "小惠", "en": "Xiaohui"}
            assert told["greeting"]["en"] == HELLO

    async def test_nobody(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast) as api:
            assert (await api.get("/api/v1/persona")).json() == {"persona": None}
            assert (
                await api.get("/api/v1/persona", headers={"Authorization": ""})
            ).status_code == 401
