"""The page at ``/`` and the operator's at ``/admin``, as they were built into the package.

They hold nothing secret and load without a token; what they ask for does not.
"""

from __future__ import annotations

import mimetypes
from functools import cache
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException

from visavis.apps.server.auth import exchange_token
from visavis.apps.server.errors import TokenNeeded, TooManyAttempts, find_status

ACCESS = "open"

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parents[1] / "page"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " media-src 'self' blob:; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
_CAUTION = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Permissions-Policy": "microphone=(self), autoplay=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
          ".woff2": "font/woff2", ".webmanifest": "application/manifest+json"}  # fmt: skip

_REFUSED = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>visavis</title>
<body style="font:1.1rem/1.6 system-ui;max-width:34rem;margin:15vh auto;padding:0 1.5rem">
<h1 style="font-size:1.4rem">{title}</h1><p>{text}</p>"""


@router.head("/")
@router.get("/")
async def show_page(request: Request) -> Response:
    """Show the page; an address with a token becomes a cookie first."""
    return _enter(request, "index.html")


@router.head("/admin")
@router.get("/admin")
async def show_admin(request: Request) -> Response:
    """Show the operator's page; an address with a token becomes a cookie first."""
    return _enter(request, "admin.html")


@router.head("/{path:path}")
@router.get("/{path:path}")
async def show_file(path: str) -> Response:
    """Send a file of the page."""
    found = _files().get(path)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    kind = _TYPES.get(found.suffix) or mimetypes.guess_type(found.name)[0]
    keep = _FOREVER if path.startswith("assets/") else "no-cache"
    return FileResponse(found, media_type=kind, headers={"Cache-Control": keep})


def _enter(request: Request, name: str) -> Response:
    try:
        redirect = exchange_token(request)
    except (TokenNeeded, TooManyAttempts) as error:
        said = {
            TokenNeeded: (
                "This link does not open · 链接无效",
                "Its token is wrong or from an earlier start of the server. Open the link that"
                " <code>visavis serve</code> printed last.<br>令牌错误或已过期，请使用服务器最近一次"
                "启动时显示的链接。",
            ),
            TooManyAttempts: (
                "Too many attempts · 尝试次数过多",
                "Wait a minute, then open the link again.<br>请一分钟后再打开链接。",
            ),
        }[type(error)]
        body = _REFUSED.format(title=said[0], text=said[1])
        return HTMLResponse(body, find_status(error))
    if redirect is not None:
        return redirect
    if name not in _files():
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return FileResponse(
        _files()[name],
        media_type="text/html; charset=utf-8",
        headers=_CAUTION,
    )


@cache
def _files() -> dict[str, Path]:
    """Map the addresses of the page's files; no other path leads anywhere."""
    return {
        path.relative_to(_FOLDER).as_posix(): path
        for path in _FOLDER.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
