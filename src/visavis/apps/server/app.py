"""Puts the server together: the house, the routes of ``api/``, the page."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from visavis.apps.server import errors
from visavis.apps.server.auth import Gate, require_admin, require_token
from visavis.apps.server.description import describe_api
from visavis.apps.server.house import House
from visavis.apps.server.limits import Surroundings
from visavis.apps.server.metrics import Metrics

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast
    from visavis.apps.server.protocol import ServerEvent
    from visavis.apps.server.sessions.session import LiveSession
    from visavis.apps.server.settings import ServerSettings

logger = logging.getLogger(__name__)

ABOUT = """Talk with a digital human, let it answer and render.

Every path under `/api` needs the token that `visavis serve` prints: `Authorization: Bearer …`,
`?token=…`, or the cookie set by the link. Errors have one form:
`{"error": {"code": "NoFaceFound", "message": "…", "retryable": false}}`. Paths under `/v1` speak as
OpenAI's API does, errors too."""

_GUARDS = {"user": [Depends(require_token)], "admin": [Depends(require_admin)], "open": []}


def create_app(settings: ServerSettings, *, cast: Cast | None = None) -> FastAPI:
    """Make the app; its lifespan opens and closes the house.

    Args:
        settings: As the server was started.
        cast: Stages; those of the settings in the environment by default.
    """
    gate, metrics = Gate.from_settings(settings), Metrics()

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        async with open_house(settings, gate, metrics, cast) as house:
            app.state.house = house
            yield

    app = FastAPI(
        title="visavis",
        version=_version(),
        description=ABOUT,
        lifespan=live,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        separate_input_output_schemas=False,
    )
    app.state.gate = gate
    app.openapi = cache(lambda: describe_api(app))  # type: ignore[method-assign]
    errors.install(app)
    for router in find_routers():
        app.include_router(router)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["*"],
            allow_headers=["Authorization", "Content-Type", "If-Match"],
            expose_headers=["Location", "Retry-After", "Link", "ETag", "Accept-Patch"],
        )
    app.add_middleware(
        Surroundings, upload_bytes=settings.max_upload_mb * 1_000_000, metrics=metrics
    )
    return app


def find_routers() -> list[APIRouter]:
    """Collect the routers of the modules of ``api/``, each behind its guard.

    A module has ``router``, whose routes carry their full paths. It is for users unless it says
    ``ACCESS = "admin"`` or ``ACCESS = "open"``. ``page`` is last, as it takes whatever is left.
    """
    from visavis.apps.server import api

    found = []
    names = sorted((m.name for m in pkgutil.iter_modules(api.__path__)), key=lambda n: n == "page")
    for name in names:
        module = importlib.import_module(f"{api.__name__}.{name}")
        own: APIRouter | None = getattr(module, "router", None)
        if own is None:
            continue
        guarded = APIRouter(
            dependencies=_GUARDS[getattr(module, "ACCESS", "user")],
            responses=getattr(module, "ERROR_RESPONSES", errors.ERROR_RESPONSES),
        )
        guarded.include_router(own)
        found.append(guarded)
    return found


@asynccontextmanager
async def open_house(
    settings: ServerSettings, gate: Gate, metrics: Metrics, cast: Cast | None = None
) -> AsyncIterator[House]:
    """Open store, sessions and jobs; close them in the other order."""
    from visavis.apps.assemble import Cast
    from visavis.apps.server.jobs.queue import Jobs
    from visavis.apps.server.preparing.preparation import make_preparation, open_shelf
    from visavis.apps.server.sessions.registry import Sessions
    from visavis.apps.server.store.recorder import Recorder
    from visavis.apps.server.store.sound_keeper import SoundKeeper
    from visavis.apps.server.store.store import Store
    from visavis.apps.settings import load_settings

    def watch(session: LiveSession) -> None:
        metrics.sessions_opened.inc()
        if preparation is not None:
            preparation.watch(session)

        def observe(event: ServerEvent) -> None:
            metrics.observe(event)
            if event.type == "session.ended":
                metrics.drop_session(session.snapshot())

        session.subscribe(observe)
        recorder.watch(session)

    async with AsyncExitStack() as stack:
        store = Store.from_settings(settings)
        data = store.folder
        if cast is None:
            cast = Cast(
                load_settings(),
                remembered=settings.remembered_speech,
                shelf=open_shelf(settings, data),
                shelving=settings.keep_speech and settings.records != "none",
            )
        await store.open()
        stack.push_async_callback(store.close)
        await store.sweep_sounds()
        sounds = SoundKeeper(store, settings.audio_mb * 1_000_000) if settings.audio else None
        recorder = Recorder(store, settings.records, sounds=sounds)
        recorder.open()
        stack.push_async_callback(recorder.close)
        if sounds is not None:
            stack.push_async_callback(sounds.close)
        metrics.watch("visavis_records", "Records of turns.", "state", recorder.figures)
        jobs = Jobs(store, settings, data / "jobs")
        await jobs.open()
        stack.push_async_callback(jobs.close)
        preparation = make_preparation(cast, settings)
        if preparation is not None:
            stack.push_async_callback(preparation.close)
            about = "Sentences foreseen, by whether they are spoken ahead of time."
            metrics.watch("visavis_foreseen_sentences", about, "state", preparation.figures)
        sessions = Sessions(cast, settings, on_open=watch)
        stack.push_async_callback(sessions.close)
        house = House(
            settings, cast, sessions, store, recorder, jobs, metrics, gate, data, preparation
        )
        stack.push_async_callback(house.imports.close)
        yield house


def _version() -> str:
    from importlib.metadata import version

    return version("visavis")
