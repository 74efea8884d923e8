"""What carries a live session: WebRTC, WebSockets, WHEP, and the connection check."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response, WebSocket
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketDisconnect

from visavis.apps.server.auth import choose_subprotocol
from visavis.apps.server.errors import BodyTooLarge, NotFound, RequestError
from visavis.apps.server.house import HouseOf
from visavis.apps.server.transports.check import Trials
from visavis.apps.server.transports.events_socket import serve_events
from visavis.apps.server.transports.ice import (
    IceServers,
    ProbeCode,
    describe_servers,
    make_links,
)
from visavis.apps.server.transports.media_socket import RATES, MediaSocket
from visavis.apps.server.transports.ports import PortRangeLoop
from visavis.apps.server.transports.webrtc import LONGEST_OFFER
from visavis.apps.server.transports.whep import FRAGMENT, SDP, Peers, read_candidates

if TYPE_CHECKING:
    from visavis.apps.server.house import House
    from visavis.apps.server.sessions.session import LiveSession

logger = logging.getLogger(__name__)

_LONGEST_ECHO = 64 * 1024
_ECHOES = 100
_EXPOSED = {"Access-Control-Expose-Headers": "Location, Link, ETag, Accept-Patch"}


@asynccontextmanager
async def open_transports(app: FastAPI) -> AsyncIterator[None]:
    """Open what connections share, and close them all at the end."""
    settings = app.state.house.settings
    if settings.ice_ports and not isinstance(asyncio.get_running_loop(), PortRangeLoop):
        logger.warning("VISAVIS_SERVER_ICE_PORTS is of `visavis serve` only; any port is used")
    ice = IceServers(settings.ice_servers)
    app.state.ice, app.state.peers, app.state.trials = ice, Peers(ice), Trials(ice)
    try:
        yield
    finally:
        await app.state.peers.close()
        await app.state.trials.close()


router = APIRouter(prefix="/api/v1", tags=["live"], lifespan=open_transports)


class UnsupportedMedia(RequestError):
    """The body is of another media type than this path takes."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class PreconditionFailed(RequestError):
    """The connection is another one by now."""

    status = HTTPStatus.PRECONDITION_FAILED


class Description(BaseModel):
    """An SDP offer or answer, as browsers have it."""

    model_config = ConfigDict(extra="ignore")

    sdp: str = Field(min_length=1, max_length=LONGEST_OFFER)
    type: Literal["offer", "answer"] = "offer"


class ServerProbe(BaseModel):
    """Whether a STUN or TURN server answers the visavis server."""

    url: str
    reachable: bool
    seconds: float
    address: str = Field(description="The visavis server as it is seen there.")
    problem: str = Field(description="Why it does not, in English; empty when it does.")
    code: ProbeCode = Field(description="The same for programs and other languages.")
    values: dict[str, str | int | float] = Field(description="That the words for the code need.")


class ConnectionFacts(BaseModel):
    """What the server knows of the way between it and the page."""

    ice_servers: list[dict[str, Any]] = Field(
        description="As `RTCConfiguration.iceServers` wants them."
    )
    probes: list[ServerProbe]
    client: str = Field(description="The page's address as the server sees it.")
    secure: bool = Field(description="Whether the page came by HTTPS.")
    webrtc: bool = Field(description="Whether the server offers WebRTC.")


async def _find_peers(connection: HTTPConnection) -> Peers:
    peers: Peers = connection.app.state.peers
    return peers


PeersOf = Annotated[Peers, Depends(_find_peers)]


def _find_session(house: House, id: str) -> LiveSession:
    session = house.sessions.get(id)
    if session is None:
        raise NotFound(f"there is no session {id}; it has ended, or never was")
    return session


@router.websocket("/sessions/{id}/events")
async def events(websocket: WebSocket, id: str, house: HouseOf) -> None:
    """Events of a session down, commands up: docs/live/protocol.schema.json."""
    session = _find_session(house, id)
    await websocket.accept(choose_subprotocol(websocket))
    await serve_events(websocket, session)


@router.websocket("/sessions/{id}/media")
async def media(
    websocket: WebSocket,
    id: str,
    house: HouseOf,
    rate: Annotated[int, Query(ge=RATES.start, le=RATES.stop - 1)] = 16_000,
    audio: Literal["aac", "opus"] = "aac",
) -> None:
    """Sound and picture down as fragmented MP4, the microphone up as PCM16 at ``rate``."""
    session = _find_session(house, id)
    await websocket.accept(choose_subprotocol(websocket))
    house.recorder.note_transport(id, "mse")
    await MediaSocket(websocket, session, audio, rate).serve()


@router.post("/sessions/{id}/webrtc", summary="Connect by WebRTC")
async def connect(id: str, offer: Description, house: HouseOf, peers: PeersOf) -> Description:
    """Answer an offer: sound and picture down, the microphone up, data channel `events`."""
    session = _find_session(house, id)
    _, sdp = await peers.connect(session, offer.sdp)
    house.recorder.note_transport(id, "webrtc")
    return Description(sdp=sdp, type="answer")


@router.options("/sessions/{id}/whep", status_code=204, summary="What WHEP players may do")
async def describe_whep(id: str, house: HouseOf) -> Response:
    """Name the media type to post, and the ICE servers."""
    _find_session(house, id)
    return _with_links(Response(status_code=204, headers={"Accept-Post": SDP, **_EXPOSED}), house)


@router.post(
    "/sessions/{id}/whep",
    status_code=201,
    summary="Watch with a WHEP player",
    response_class=Response,
    responses={201: {"content": {SDP: {}}, "description": "The SDP answer."}},
    openapi_extra={"requestBody": {"content": {SDP: {"schema": {"type": "string"}}}}},
)
async def watch(id: str, request: Request, house: HouseOf, peers: PeersOf) -> Response:
    """Answer an SDP offer; `Location` names the connection."""
    session = _find_session(house, id)
    offer = await _read_body(request, SDP)
    peer, sdp = await peers.connect(session, offer)
    house.recorder.note_transport(id, "whep")
    location = f"{request.scope.get('root_path', '')}/api/v1/sessions/{id}/whep/{peer.id}"
    if token := request.query_params.get("token"):
        location += f"?token={quote(token)}"  # who knows only an address could not end it otherwise
    headers = {
        "Location": location, "ETag": f'"{peer.id}"', "Accept-Patch": FRAGMENT, **_EXPOSED,
    }  # fmt: skip
    return _with_links(Response(sdp, 201, headers, SDP), house)


@router.patch("/sessions/{id}/whep/{peer}", status_code=204, summary="Add ICE candidates")
async def trickle(id: str, peer: str, request: Request, peers: PeersOf) -> Response:
    """Take candidates that the player found after its offer."""
    found = peers.get(id, peer)
    if found is None:
        raise NotFound(f"there is no connection {peer}; it has ended, or never was")
    wanted = request.headers.get("if-match", "*")
    if wanted not in ("*", f'"{peer}"'):
        raise PreconditionFailed("ICE is not restarted here; end the connection and make another")
    for candidate in read_candidates(await _read_body(request, FRAGMENT)):
        await found.add_candidate(candidate)
    return Response(status_code=204)


@router.delete("/sessions/{id}/whep/{peer}", summary="Watch no more")
async def stop_watching(id: str, peer: str, peers: PeersOf) -> Response:
    """End a connection."""
    found = peers.get(id, peer)
    if found is None:
        raise NotFound(f"there is no connection {peer}; it has ended, or never was")
    await found.close()
    return Response(status_code=200)


@router.get("/connection-check", summary="What the server knows of the connection")
async def check_connection(request: Request, house: HouseOf) -> ConnectionFacts:
    """Say which STUN and TURN servers answer, and how the page is seen."""
    ice: IceServers = request.app.state.ice
    probes = [
        ServerProbe(
            url=p.url,
            reachable=p.reachable,
            seconds=p.seconds,
            address=p.address,
            problem=p.problem,
            code=p.code,
            values=dict(p.values),
        )
        for p in await ice.probe()
    ]
    return ConnectionFacts(
        ice_servers=describe_servers(house.settings.ice_servers),
        probes=probes,
        client=request.client.host if request.client else "",
        secure=request.url.scheme == "https",
        webrtc=True,
    )


@router.post("/connection-check/webrtc", summary="Try a WebRTC connection")
async def try_webrtc(offer: Description, request: Request) -> Description:
    """Answer an offer of a data channel, which then says again what it is told, for 15 s."""
    trials: Trials = request.app.state.trials
    return Description(sdp=await trials.answer(offer.sdp), type="answer")


@router.websocket("/connection-check/echo")
async def echo(websocket: WebSocket) -> None:
    """Say again what is said, text or binary, a hundred times at most."""
    await websocket.accept(choose_subprotocol(websocket))
    with suppress(WebSocketDisconnect, RuntimeError):
        for _ in range(_ECHOES):
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if (data := message.get("bytes")) is not None:
                await websocket.send_bytes(data[:_LONGEST_ECHO])
            else:
                await websocket.send_text((message.get("text") or "")[:_LONGEST_ECHO])
        await websocket.close()


async def _read_body(request: Request, kind: str) -> str:
    """Read a body of one media type.

    Raises:
        UnsupportedMedia: It is of another.
        BodyTooLarge: It is longer than any offer.
    """
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said != kind:
        raise UnsupportedMedia(f"the body is {said or 'of no type'}; send {kind}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_OFFER:
            raise BodyTooLarge(f"the body is longer than {LONGEST_OFFER} bytes")
    return bytes(body).decode("utf-8", "replace")


def _with_links(response: Response, house: House) -> Response:
    for link in make_links(house.settings.ice_servers):
        response.headers.append("Link", link)
    return response
