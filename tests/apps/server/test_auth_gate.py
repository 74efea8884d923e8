"""Who is let in, by which way, and who must wait."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from api_client import ADMIN, AS_ADMIN, SITE, USER, error_of, open_api, serve_api
from starlette.requests import HTTPConnection
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from visavis.apps.assemble import Cast
from visavis.apps.server.auth import WRONG_LIMIT, WRONG_WINDOW, Gate
from visavis.apps.server.errors import Refused, TokenNeeded, TooManyAttempts

VOICES = "/api/v1/voices"


def visit(
    kind: str = "http",
    method: str = "GET",
    query: str = "",
    address: str = "10.0.0.1",
    subprotocols: tuple[str, ...] = (),
    **headers: str,
) -> HTTPConnection:
    raw = [(k.replace("_", "-").encode(), v.encode()) for k, v in {"host": "h", **headers}.items()]
    return HTTPConnection(
        {
            "type": kind, "method": method, "path": "/", "query_string": query.encode(),
            "headers": raw, "client": (address, 1), "subprotocols": list(subprotocols),
        }
    )  # fmt: skip


class TestGate:
    def test_token_is_taken_from_header_query_and_cookie(self) -> None:
        gate = Gate("secret")
        gate.admit(visit(authorization="Bearer secret"))
        gate.admit(visit(authorization="bearer secret"))
        gate.admit(visit(query="token=secret"))
        gate.admit(visit(cookie=f"{gate.cookie}=secret"))
        gate.admit(visit("websocket", subprotocols=("visavis", "visavis.token.secret")))
        gate.admit(visit("websocket", subprotocols=("openai-insecure-api-key.secret",)))

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"authorization": "Bearer"},
            {"authorization": "Basic secret"},
            {"cookie": "x=secret"},
        ],
    )
    def test_nothing_is_no_token(self, headers: dict[str, str]) -> None:
        with pytest.raises(TokenNeeded, match="needs a token"):
            Gate("secret").admit(visit(**headers))

    @pytest.mark.parametrize(
        "wrong", ["secre", "secret ", "SECRET", "geheim", "sécret", "x" * 9999]
    )
    def test_another_token_is_wrong(self, wrong: str) -> None:
        with pytest.raises(TokenNeeded, match="wrong"):
            Gate("secret").admit(visit(query=f"token={wrong}x"))

    def test_user_is_no_operator_but_the_operator_is_a_user(self) -> None:
        gate = Gate("user", "boss")
        with pytest.raises(Refused, match="operator"):
            gate.admit(visit(query="token=user"), "admin")
        gate.admit(visit(query="token=boss"), "admin")
        gate.admit(visit(query="token=boss"))

    def test_one_token_is_for_both_when_none_is_set_for_the_operator(self) -> None:
        Gate("only").admit(visit(query="token=only"), "admin")

    def test_public_lets_users_in_and_not_to_the_operators_pages(self) -> None:
        gate = Gate("user", "boss", public=True)
        gate.admit(visit())
        with pytest.raises(TokenNeeded):
            gate.admit(visit(), "admin")

    def test_guessing_makes_its_address_wait_and_no_other(self) -> None:
        now = [100.0]
        gate = Gate("secret", clock=lambda: now[0])
        for _ in range(WRONG_LIMIT):
            with pytest.raises(TokenNeeded):
                gate.admit(visit(query="token=no"))
        with pytest.raises(TooManyAttempts) as caught:
            gate.admit(visit(query="token=secret"))
        assert 0 < (caught.value.retry_after or 0) <= WRONG_WINDOW
        gate.admit(visit(query="token=secret", address="10.0.0.2"))
        now[0] += WRONG_WINDOW + 1
        gate.admit(visit(query="token=secret"))

    def test_addresses_that_guess_are_not_remembered_without_bound(self) -> None:
        gate = Gate("secret")
        for number in range(5_000):
            with pytest.raises(TokenNeeded):
                gate.admit(visit(query="token=no", address=f"10.1.{number // 250}.{number % 250}"))
        assert len(gate._wrong) <= 4_096

    @pytest.mark.parametrize(("kind", "method"), [("http", "POST"), ("websocket", "GET")])
    def test_a_cookie_counts_only_from_pages_of_this_server(self, kind: str, method: str) -> None:
        gate = Gate("secret", origins=["https://friend.example"])
        cookie = f"{gate.cookie}=secret"
        gate.admit(visit(kind, method, cookie=cookie, origin="http://h"))
        gate.admit(visit(kind, method, cookie=cookie, origin="https://friend.example"))
        gate.admit(visit(kind, method, cookie=cookie))
        for origin in ("http://evil.example", "http://h.evil.example", "null", "http://h:81"):
            with pytest.raises(Refused, match="pages of"):
                gate.admit(visit(kind, method, cookie=cookie, origin=origin))
        gate.admit(visit(kind, method, query="token=secret", origin="http://evil.example"))

    def test_public_too_is_closed_to_pages_of_others(self) -> None:
        with pytest.raises(Refused):
            Gate("s", public=True).admit(visit("websocket", origin="http://evil.example"))

    def test_two_servers_on_one_machine_have_cookies_of_their_own(self) -> None:
        assert Gate("one").cookie != Gate("two").cookie


class TestApp:
    async def test_paths_are_closed_without_a_token(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, headers={}) as api:
            schema = (await api.get("/api/openapi.json")).json()
            closed = 0
            for path, methods in schema["paths"].items():
                for method in methods:
                    filled = path.replace("{", "").replace("}", "")
                    response = await api.client.request(method.upper(), filled)
                    if path in ("/healthz", "/readyz", "/metrics"):
                        assert response.status_code != 401 or path == "/metrics"
                        continue
                    assert response.status_code == 401, (method, path)
                    assert response.headers["www-authenticate"] == "Bearer"
                    closed += 1
            assert closed > 20

    async def test_the_link_becomes_a_cookie(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, headers={}) as api:
            response = await api.get(f"/?token={USER}&lang=zh")
            assert response.status_code == 303
            assert response.headers["location"] == "/?lang=zh"
            cookie = response.headers["set-cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=strict" in cookie
            assert "Secure" not in cookie
            assert (await api.get(VOICES)).status_code == 200
            assert (await api.get("/api/v1/sessions")).status_code == 403

    async def test_the_link_over_https_makes_a_secure_cookie(
        self, tmp_path: Path, cast: Cast
    ) -> None:
        async with open_api(tmp_path, cast, headers={}) as api:
            response = await api.get(f"https://visavis.test/?token={USER}")
            assert "Secure" in response.headers["set-cookie"]

    async def test_the_link_leads_nowhere_else(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, headers={}) as api:
            for host in ("evil.example", "visavis.test"):
                response = await api.get(f"//evil.example/..?token={USER}", headers={"Host": host})
                assert not response.headers.get("location", "/").startswith(("//", "http"))
            response = await api.get(f"/?token={USER}", headers={"Host": "evil.example"})
            assert response.headers["location"] == "/"

    async def test_a_wrong_link_says_so_in_words(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, headers={}) as api:
            response = await api.get("/?token=<script>")
            assert response.status_code == 401
            assert "visavis serve" in response.text
            assert "<script>" not in response.text
            assert "set-cookie" not in response.headers

    async def test_the_operators_link(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, headers={}) as api:
            response = await api.get(f"/admin?token={ADMIN}")
            assert (response.status_code, response.headers["location"]) == (303, "/admin")
            assert (await api.get("/api/v1/sessions")).status_code == 200

    async def test_a_form_of_another_site_does_nothing(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, headers={}) as api:
            await api.get(f"/?token={USER}")
            evil = {"Origin": "http://evil.example"}
            response = await api.post("/api/v1/sessions", json={}, headers=evil)
            assert error_of(response) == (403, "Refused")
            assert len(api.house.sessions) == 0
            response = await api.post("/api/v1/sessions", json={}, headers={"Origin": SITE})
            assert response.status_code == 201

    async def test_guessing_is_told_to_wait(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, headers={}) as api:
            for _ in range(WRONG_LIMIT):
                assert (await api.get(f"{VOICES}?token=no")).status_code == 401
            response = await api.get(f"{VOICES}?token=no")
            assert error_of(response) == (429, "TooManyAttempts")
            assert 0 < int(response.headers["retry-after"]) <= 60
            assert (await api.get("/?token=no")).status_code == 429

    async def test_public(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, headers={}, public=True) as api:
            assert (await api.get(VOICES)).status_code == 200
            assert (await api.get("/api/v1/sessions")).status_code == 401
            assert (await api.get("/api/v1/sessions", headers=AS_ADMIN)).status_code == 200
            files = {"file": ("a.png", b"x")}
            response = await api.post("/api/v1/avatars", data={"name": "a"}, files=files)
            assert response.status_code == 401


class TestWebSocket:
    async def test_a_socket_needs_a_token(self, tmp_path: Path, cast: Cast) -> None:
        async with serve_api(tmp_path, cast) as (place, _):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://{place}/v1/realtime")
            assert refused.value.response.status_code == 401
            assert b"TokenNeeded" in refused.value.response.body
            offered = ["visavis", f"visavis.token.{USER}"]
            async with connect(f"ws://{place}/v1/realtime", subprotocols=offered) as socket:
                assert socket.subprotocol == "visavis"
                assert "session.created" in str(await socket.recv())
            async with connect(f"ws://{place}/v1/realtime?token={USER}") as socket:
                assert "session.created" in str(await socket.recv())

    async def test_a_socket_of_another_sites_page(self, tmp_path: Path, cast: Cast) -> None:
        async with serve_api(tmp_path, cast) as (place, _):
            async with httpx.AsyncClient(base_url=f"http://{place}") as client:
                await client.get(f"/?token={USER}")
                cookie = "; ".join(f"{k}={v}" for k, v in client.cookies.items())
            url = f"ws://{place}/v1/realtime"
            with pytest.raises(InvalidStatus) as refused:
                await connect(
                    url, additional_headers={"Cookie": cookie}, origin="http://evil.example"
                )
            assert refused.value.response.status_code == 403
            async with connect(
                url, additional_headers={"Cookie": cookie}, origin=f"http://{place}"
            ) as socket:
                assert "session.created" in str(await socket.recv())

    async def test_an_unknown_session_is_denied_with_words(
        self, tmp_path: Path, cast: Cast
    ) -> None:
        async with serve_api(tmp_path, cast) as (place, _):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://{place}/v1/realtime?token={USER}&session=nobody")
            assert refused.value.response.status_code == 404
