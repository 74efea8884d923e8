"""Live sessions: open, look at, end."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from visavis.apps.server.auth import require_admin
from visavis.apps.server.errors import ErrorBody, NotFound
from visavis.apps.server.house import House, HouseOf
from visavis.apps.server.protocol.events import Microphone, State
from visavis.apps.server.sessions.session import LiveSession
from visavis.apps.server.transports.ice import describe_servers
from visavis.core.errors import SessionsFull
from visavis.core.types import Emotion, Language
from visavis.stages.avatars import store

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])

SessionId = Annotated[str, Path(max_length=64, examples=["6f1c9d0e5b7a4c21"])]


class SessionOrder(BaseModel):
    """What a new session shall be like; every field may be left out."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"avatar": "mei", "language": "zh", "microphone": "open"}]},
    )

    avatar: str = Field(default="", max_length=200, description="Empty for the default.")
    voice: str = Field(
        default="", max_length=100, description="For its languages; empty for the avatar's own."
    )
    language: Language | Literal["auto"] = "auto"
    emotion: Emotion | Literal["auto"] = "auto"
    microphone: Microphone = "push"
    may_keep_sound: bool = Field(
        default=False,
        description=(
            "Whoever speaks was told that the sound of questions is kept, where `/api/v1/privacy`"
            " says so. Without it none is."
        ),
    )


class SessionView(BaseModel):
    """A session as it is now."""

    id: str
    created: float = Field(description="Unix seconds.")
    age: float = Field(description="Seconds.")
    state: State
    avatar: str
    voices: dict[Language, str]
    language: Language | Literal["auto"]
    emotion: Emotion | Literal["auto"]
    microphone: Microphone
    width: int
    height: int
    turns: int
    connections: int
    ticks: int = Field(description="Frames made.")
    late: int = Field(description="Frames made after their moment.")
    stalls: int = Field(description="Times that the stream stood still for half a second.")
    repeats: int = Field(description="Frames that showed the picture before once more.")
    starved: int = Field(description="Frames without sound in the middle of an answer.")
    dropped: int = Field(description="Frames that slow readers lost.")


class SessionOpened(SessionView):
    """A new session and the ways to it."""

    fps: int
    sample_rate: int
    ice_servers: list[dict[str, Any]] = Field(
        description="As `RTCConfiguration.iceServers` wants them."
    )
    transports: list[Literal["webrtc", "mse"]] = Field(description="Best first.")
    links: dict[str, str] = Field(description="Paths: events, webrtc, media, whep.")


class SessionList(BaseModel):
    """Sessions that live."""

    capacity: int
    sessions: list[SessionView]


@router.post(
    "",
    status_code=201,
    summary="Open a session",
    responses={
        503: {
            "model": ErrorBody,
            "description": "All places are taken, or the machine is busy; `Retry-After`.",
        }
    },
)
async def open_session(house: HouseOf, response: Response, order: SessionOrder) -> SessionOpened:
    """Open a session; connect within `vanished_limit` seconds, or it ends again."""
    if order.avatar:
        # Only a stored one: a cast would also take the path of a file on this machine.
        await asyncio.to_thread(store.find, order.avatar)
    try:
        session = await house.sessions.open(
            avatar=order.avatar,
            voice=order.voice,
            language=order.language,
            emotion=order.emotion,
            microphone=order.microphone,
            may_keep_sound=order.may_keep_sound,
        )
    except SessionsFull:
        house.metrics.sessions_refused.inc()
        raise
    path = f"/api/v1/sessions/{session.id}"
    response.headers["Location"] = path
    return SessionOpened.model_validate(
        {
            **session.snapshot(),
            "fps": session.fps,
            "sample_rate": session.sample_rate,
            "ice_servers": describe_servers(house.settings.ice_servers),
            "transports": ["webrtc", "mse"],
            "links": {name: f"{path}/{name}" for name in ("events", "webrtc", "media", "whep")},
        }
    )


@router.get("", summary="List sessions", dependencies=[Depends(require_admin)])
async def list_sessions(house: HouseOf) -> SessionList:
    """List the sessions that live; for the operator, as who knows an id may join."""
    return SessionList(
        capacity=house.sessions.capacity,
        sessions=[SessionView.model_validate(s.snapshot()) for s in house.sessions],
    )


@router.get("/{id}", summary="Look at a session")
async def show_session(house: HouseOf, id: SessionId) -> SessionView:
    """Say how a session is now."""
    return SessionView.model_validate(find_session(house, id).snapshot())


@router.delete("/{id}", status_code=204, summary="End a session")
async def end_session(house: HouseOf, id: SessionId) -> None:
    """End a session; its listeners are told."""
    await find_session(house, id).close("left", "it was ended by request")


@router.delete("/{id}/history", status_code=204, summary="Clear a session's history")
async def clear_history(house: HouseOf, id: SessionId) -> None:
    """Let later answers know nothing of what was said; what is being said is broken off.

    Records that the operator keeps are not touched.
    """
    find_session(house, id).forget()


def find_session(house: House, id: str) -> LiveSession:
    """Find a session that lives.

    Raises:
        NotFound: There is none of that id.
    """
    session = house.sessions.get(id)
    if session is None:
        raise NotFound(f"there is no session {id!r}; it has ended, or never was")
    return session
