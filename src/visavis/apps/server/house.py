"""What all routes share: the cast, the sessions, the store, the jobs, the figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from visavis.apps.server.desk import Desk
from visavis.apps.server.imports import Imports
from visavis.apps.server.librarian import Librarian

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast
    from visavis.apps.server.auth import Gate
    from visavis.apps.server.jobs.queue import Jobs
    from visavis.apps.server.metrics import Metrics
    from visavis.apps.server.preparing.preparation import Preparation
    from visavis.apps.server.sessions.registry import Sessions
    from visavis.apps.server.settings import ServerSettings
    from visavis.apps.server.store.recorder import Recorder
    from visavis.apps.server.store.store import Store


@dataclass(slots=True)
class House:
    """Everything of one running server; routes get it as ``HouseOf``.

    Attributes:
        settings: As the server was started.
        cast: Stages, made once.
        sessions: Those that live.
        store: Sessions, turns, feedback and jobs on disk.
        recorder: Writes down how turns went.
        jobs: Renders and new avatars, made one after the other.
        metrics: For Prometheus.
        gate: Who is let in.
        data: Folder of the store and of the jobs' files.
        preparation: Of answers, spoken ahead of time; None where no speech is kept on disk.
        desk: Passed by what computes for a request outside the sessions, which go before.
        librarian: Reads and changes the bases that answers come from.
        imports: Files on their way into a base.
        is_ready: Whether everything is loaded.
        doing: What is being loaded, in words; empty when nothing is.
        trouble: Why it cannot become ready.
    """

    settings: ServerSettings
    cast: Cast
    sessions: Sessions
    store: Store
    recorder: Recorder
    jobs: Jobs
    metrics: Metrics
    gate: Gate
    data: Path
    preparation: Preparation | None = None
    desk: Desk = field(default_factory=Desk)
    librarian: Librarian = field(default_factory=Librarian)
    imports: Imports = field(default_factory=Imports)
    is_ready: bool = False
    doing: str = ""
    trouble: str = ""

    @property
    def token(self) -> str:
        """Needed by all who come in."""
        return self.gate.token

    @property
    def admin_token(self) -> str:
        """Needed for the admin page."""
        return self.gate.admin_token

    async def read_gauges(self) -> None:
        """Bring the figures up to date that have to be asked for."""
        self.metrics.set_jobs(await self.jobs.count())
        self.metrics.set_sessions(len(self.sessions), self.sessions.capacity)
        for session in list(self.sessions):
            self.metrics.take_frames(session.snapshot())


async def find_house(connection: HTTPConnection) -> House:
    """Return the house of the app that a request came to."""
    house = connection.app.state.house
    assert isinstance(house, House)
    return house


HouseOf = Annotated[House, Depends(find_house)]
"""The parameter of a route that wants the house: ``house: HouseOf``."""
