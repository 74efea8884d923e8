"""The page of a study and what it asks for. No name of a system, item or file ever leaves."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from visavis.apps.mos.dealing import Trial
from visavis.apps.mos.plan import ANSWERS, BETTER, Plan
from visavis.apps.mos.store import Dealt, Store
from visavis.apps.mos.videos import Video
from visavis.core.errors import SessionsFull, StoreUnavailable

_PAGE = Path(__file__).parent / "page"
_FILES = {"style.css": "text/css", "rate.js": "text/javascript", "words.js": "text/javascript"}
_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; connect-src 'self';"
    " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CAUTION = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_LARGEST = 10_000
"""Bytes of a request; the page sends a tenth of it."""
_HURRY = 0.5
"""Seconds that clocks and the last picture may take off the length of the videos."""


class Beginning(BaseModel):
    """A rater who agrees."""

    language: Literal["en", "zh"] = "en"


class Rating(BaseModel):
    """What a rater says of a trial."""

    answers: Annotated[list[int], Field(max_length=100)]
    plays: Annotated[list[Annotated[int, Field(ge=0, le=10_000)]], Field(max_length=2)]
    seconds: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class Problem(BaseModel):
    """Why a trial cannot be rated."""

    what: Annotated[str, Field(max_length=200)]


def create_app(plan: Plan, store: Store, videos: Mapping[Path, Video]) -> FastAPI:
    """Make the server of a study.

    Args:
        plan: What is rated.
        store: Where answers go; closed when the server ends.
        videos: Of the plan, by file.
    """

    @contextlib.asynccontextmanager
    async def live(_: FastAPI) -> AsyncIterator[None]:
        yield
        store.close()

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=live)

    @app.middleware("http")
    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        length = request.headers.get("content-length", "")
        if request.method == "POST" and not (length.isdecimal() and int(length) <= _LARGEST):
            return JSONResponse({"error": "too_large"}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        response = await answer(request)
        for name, value in _CAUTION.items():
            response.headers.setdefault(name, value)
        return response

    @app.exception_handler(StoreUnavailable)
    async def store_unavailable(_: Request, __: Exception) -> JSONResponse:
        # Its message has the file's name, which may have the system's.
        return JSONResponse({"error": "busy"}, HTTPStatus.SERVICE_UNAVAILABLE)

    @app.exception_handler(SessionsFull)
    async def sessions_full(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"error": "full"}, HTTPStatus.SERVICE_UNAVAILABLE)

    @app.exception_handler(RequestValidationError)
    async def request_invalid(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"error": "invalid"}, HTTPStatus.UNPROCESSABLE_ENTITY)

    @app.get("/")
    @app.get("/r/{rater}")
    def show_page(rater: str = "") -> FileResponse:
        return FileResponse(_PAGE / "index.html", media_type="text/html; charset=utf-8")

    @app.get("/page/{name}")
    def show_file(name: str) -> FileResponse:
        if name not in _FILES:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return FileResponse(_PAGE / name, media_type=_FILES[name])

    @app.get("/api/study")
    def show_study() -> dict[str, Any]:
        longest = sum(sorted((v.seconds for v in videos.values()), reverse=True)[:2])
        per_trial = longest / (2 if plan.kind == "scores" else 1) + 8
        count = plan.trials + len(plan.catches)
        return {
            "title": plan.title,
            "kind": plan.kind,
            "total": count,
            "minutes": max(1, round(count * per_trial / 60)),
        }

    @app.post("/api/raters", status_code=HTTPStatus.CREATED)
    def begin(beginning: Beginning) -> dict[str, str]:
        return {"rater": store.add_rater(beginning.language)}

    @app.get("/api/raters/{rater}")
    def show_state(rater: str) -> dict[str, Any]:
        return _state(rater)

    @app.post("/api/raters/{rater}/trials/{token}")
    def take_answers(rater: str, token: str, rating: Rating) -> Any:
        current = _current(rater, token)
        if not current.done:
            _check_rating(current, rating)
            if min(rating.plays) < 1 or _waited(current) < _length(current.trial) - _HURRY:
                return JSONResponse({"error": "unseen"}, HTTPStatus.CONFLICT)
            store.keep_answers(current.id, rating.answers, rating.seconds, rating.plays)
        return _state(rater)

    @app.post("/api/raters/{rater}/trials/{token}/problem")
    def give_up(rater: str, token: str, problem: Problem) -> dict[str, Any]:
        current = _current(rater, token)
        if not current.done:
            store.give_up(current.id, problem.what)
        return _state(rater)

    @app.head("/media/{token}/{side}")
    @app.get("/media/{token}/{side}")
    def send_video(token: str, side: int) -> FileResponse:
        found = store.find_trial(token)
        # A trial that is not shown yet, or was answered, is nobody's to look at.
        if (
            found is None
            or found.shown is None
            or found.done
            or side not in range(found.trial.sides)
        ):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        path = _path(found.trial, side)
        return FileResponse(
            path,
            media_type=_TYPES[path.suffix.lower()],
            # Of the file itself these would tell which trials show the same one.
            headers={
                "ETag": f'"{token}"',
                "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT",
                "Cache-Control": "private, max-age=3600",
            },
        )

    def _state(rater: str) -> dict[str, Any]:
        trials = store.list_trials(rater)
        if not trials:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        done = sum(trial.done for trial in trials)
        state: dict[str, Any] = {
            "title": plan.title,
            "kind": plan.kind,
            "questions": [{"en": q.en, "zh": q.zh} for q in plan.questions],
            "done": done,
            "total": len(trials),
            "trial": None,
        }
        current = next((trial for trial in trials if not trial.done), None)
        if current is not None:
            store.mark_shown(current.id)
            sides = range(current.trial.sides)
            state["trial"] = {
                "token": current.token,
                "videos": [f"/media/{current.token}/{side}" for side in sides],
            }
        return state

    def _current(rater: str, token: str) -> Dealt:
        """Find the trial that is rated: the one in turn, or one done, which is sent again."""
        trials = store.list_trials(rater)
        first = next((i for i, trial in enumerate(trials) if not trial.done), len(trials))
        for i, trial in enumerate(trials):
            if trial.token == token and i <= first:
                return trial
        raise HTTPException(HTTPStatus.NOT_FOUND)

    def _check_rating(current: Dealt, rating: Rating) -> None:
        allowed = ANSWERS[plan.kind]
        if (
            len(rating.answers) != len(plan.questions)
            or not set(rating.answers) <= set(allowed)
            or len(rating.plays) != current.trial.sides
        ):
            raise RequestValidationError([])

    def _waited(current: Dealt) -> float:
        return 0.0 if current.shown is None else time.time() - current.shown

    def _length(trial: Trial) -> float:
        return sum(videos[_path(trial, side)].seconds for side in range(trial.sides))

    def _path(trial: Trial, side: int) -> Path:
        name = (trial.first, trial.second)[side]
        if trial.catch is None:
            return plan.systems[name][trial.item]
        files = plan.catches[trial.catch].videos
        return files[0] if plan.kind == "scores" or name == BETTER else files[1]

    return app
