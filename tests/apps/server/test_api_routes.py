"""Sessions, answers, voices, knowledge, health and figures over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from api_client import AS_ADMIN, error_of, make_wav, open_api

from visavis.apps.assemble import Cast
from visavis.apps.server.api.suggestions import choose_questions
from visavis.apps.server.warming import warm_up
from visavis.knowledge.base import load_samples
from visavis.stages.responders.faq import FaqResponder

ANSWERS, SESSIONS = "/api/v1/answers", "/api/v1/sessions"


class TestSessions:
    async def test_open_look_and_end(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, ice_servers=[{"urls": ["stun:stun.example"]}]) as api:
            response = await api.post(SESSIONS, json={"language": "en"})
            assert response.status_code == 201, response.text
            opened = response.json()
            path = f"{SESSIONS}/{opened['id']}"
            assert response.headers["location"] == path
            assert opened["transports"] == ["webrtc", "mse"]
            assert opened["ice_servers"] == [{"urls": ["stun:stun.example"]}]
            assert opened["links"]["whep"] == f"{path}/whep"
            assert (opened["fps"], opened["sample_rate"]) == (25, 24_000)
            seen = (await api.get(path)).json()
            assert (seen["id"], seen["language"]) == (opened["id"], "en")
            listed = (await api.get(SESSIONS, headers=AS_ADMIN)).json()
            assert [s["id"] for s in listed["sessions"]] == [opened["id"]]
            assert (await api.delete(path)).status_code == 204
            assert error_of(await api.get(path)) == (404, "NotFound")
            assert error_of(await api.delete(path)) == (404, "NotFound")

    async def test_too_many(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, sessions=1) as api:
            await api.post(SESSIONS, json={})
            response = await api.post(SESSIONS, json={})
            assert error_of(response) == (503, "SessionsFull")
            assert response.json()["error"]["retryable"]
            assert int(response.headers["retry-after"]) > 0
            figures = (await api.get("/metrics", headers=AS_ADMIN)).text
            assert "visavis_sessions_refused_total 1.0" in figures
            assert "visavis_sessions 1.0" in figures

    @pytest.mark.parametrize("avatar", ["nobody", "/etc/passwd", "../mei", "face.png"])
    async def test_only_stored_avatars(
        self, tmp_path: Path, cast: Cast, avatar: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "face.png").write_bytes(b"there, but nobody's to name")
        async with open_api(tmp_path / "data", cast) as api:
            response = await api.post(SESSIONS, json={"avatar": avatar})
            assert error_of(response) == (404, "UnknownAvatar")
            response = await api.post("/api/v1/renders", json={"text": "a", "avatar": avatar})
            assert error_of(response) == (404, "UnknownAvatar")

    async def test_unknown_voice(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast) as api:
            response = await api.post(SESSIONS, json={"voice": "nobody"})
            assert error_of(response) == (404, "UnknownVoice")


class TestAnswers:
    async def test_a_responder_that_cannot_tell_its_sources(
        self, tmp_path: Path, cast: Cast
    ) -> None:
        async with open_api(tmp_path, cast) as api:
            response = await api.post(ANSWERS, json={"question": "How?"})
            assert response.status_code == 200, response.text
            told = response.json()
            assert told["answer"].startswith("Bring your identity card.")
            assert (told["question"], told["language"]) == ("How?", "en")
            assert told["outcome"] is None
            assert told["sources"] == []
            assert set(told["timings"]) == {"responder"}

    async def test_a_recorded_question(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast) as api:
            files = {"file": ("question.wav", make_wav())}
            response = await api.post(ANSWERS, files=files, data={"language": "zh"})
            assert response.status_code == 200, response.text
            told = response.json()
            assert told["question"] == "如何补办身份证?"
            assert told["language"] == "zh"
            assert set(told["timings"]) == {"recognizer", "responder"}

    async def test_an_answer_says_where_it_comes_from(self, tmp_path: Path, cast: Cast) -> None:
        cast._responder = FaqResponder()
        async with open_api(tmp_path, cast) as api:
            asked = {"question": "How much does a passport cost?"}
            told = (await api.post(ANSWERS, json=asked)).json()
            assert told["outcome"] == "answer"
            assert told["confidence"] > 0.9
            assert "120 yuan" in told["answer"]
            assert told["sources"][0]["question"] == asked["question"]
            history = [
                {"role": "user", "text": "How do I apply for a passport?"},
                {"role": "assistant", "text": "Bring your ID card."},
            ]
            asked = {"question": "How much does it cost?"}
            told = (await api.post(ANSWERS, json={**asked, "history": history})).json()
            assert "120 yuan" in told["answer"]
            found = (await api.get("/api/v1/knowledge/search?q=passport fee&limit=2")).json()
            assert found["matches"][0]["pair"]["id"] == "passport-fee"
            assert found["matches"][0]["pair"]["base"] == "government_en"
            assert len(found["matches"]) == 2
            refused = await api.post(ANSWERS, json={"question": "Сколько стоит паспорт?"})
            assert error_of(refused) == (422, "LanguageUnsupported")


class TestKnowledge:
    async def test_bases_and_pairs(self, tmp_path: Path, cast: Cast) -> None:
        cast._responder = FaqResponder()
        async with open_api(tmp_path, cast) as api:
            bases = (await api.get("/api/v1/knowledge/bases")).json()["bases"]
            assert [b["name"] for b in bases] == ["government_zh", "government_en"]
            path = "/api/v1/knowledge/bases/government_en/pairs"
            whole = (await api.get(f"{path}?limit=500")).json()
            assert whole["total"] == bases[1]["pairs"] + bases[1]["gaps"] == len(whole["pairs"])
            some = (await api.get(f"{path}?limit=2&offset=1")).json()
            assert some["pairs"] == whole["pairs"][1:3]
            topic = (await api.get(f"{path}?topic=immigration")).json()
            assert {p["topic"] for p in topic["pairs"]} == {"immigration"}
            assert error_of(await api.get(f"{path}?limit=0"))[0] == 422

    async def test_a_responder_without_a_base(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast) as api:
            assert (await api.get("/api/v1/knowledge/bases")).json() == {"bases": []}
            assert (await api.get("/api/v1/suggestions")).json()["questions"] == []
            assert error_of(await api.get("/api/v1/knowledge/search?q=x"))[1] == "ConfigError"

    @pytest.mark.parametrize("language", ["zh", "en"])
    async def test_suggestions_are_answered_questions_of_many_topics(
        self, tmp_path: Path, cast: Cast, language: str
    ) -> None:
        cast._responder = FaqResponder()
        pairs = {p.question: p for base in load_samples() for p in base.pairs}
        async with open_api(tmp_path, cast) as api:
            told = (await api.get(f"/api/v1/suggestions?language={language}&limit=5")).json()
            questions = told["questions"]
            assert len(set(questions)) == 5
            assert all(pairs[q].answer and pairs[q].language == language for q in questions)
            assert len({pairs[q].topic for q in questions}) == 5

    def test_suggestions_go_on_when_topics_run_out(self) -> None:
        every = choose_questions(load_samples(), "en", 10_000)
        assert len(every) == len(set(every)) > 40


class TestVoicesAndHealth:
    async def test_voices(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast) as api:
            voices = (await api.get("/api/v1/voices")).json()["voices"]
            assert {v["name"] for v in voices} == {v.name for v in cast.router.voices()}
            assert error_of(await api.get("/api/v1/voices?language=fr"))[0] == 422

    async def test_ready_after_warming_up(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, headers={}) as api:
            assert (await api.get("/healthz")).json() == {"status": "ok"}
            response = await api.get("/readyz")
            assert (response.status_code, response.json()["status"]) == (503, "loading")
            steps: list[str] = []
            await warm_up(api.house, steps.append)
            assert len(steps) == 5
            response = await api.get("/readyz")
            assert (response.status_code, response.json()["status"]) == (200, "ready")

    async def test_what_cannot_be_loaded_is_told(
        self, tmp_path: Path, cast: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from visavis.core.errors import MissingWeights

        def missing(self: object) -> None:
            raise MissingWeights("kokoro is not here; run `visavis models pull`")

        monkeypatch.setattr(type(cast), "load_avatar", missing)
        async with open_api(tmp_path, cast, headers={}) as api:
            with pytest.raises(MissingWeights):
                await warm_up(api.house)
            told = (await api.get("/readyz")).json()
            assert told["status"] == "failed"
            assert "models pull" in told["trouble"]

    async def test_figures_are_for_this_machine_or_the_operator(
        self, tmp_path: Path, cast: Cast
    ) -> None:
        async with open_api(tmp_path, cast) as api:
            # httpx calls from 127.0.0.1; a proxy says for whom it calls.
            assert (await api.get("/metrics", headers={})).status_code == 200
            far = {"X-Forwarded-For": "203.0.113.9"}
            assert (await api.get("/metrics", headers=far)).status_code == 403
            text = (await api.get("/metrics", headers={**far, **AS_ADMIN})).text
            assert 'visavis_http_requests_total{method="GET",route="/metrics",status="200"}' in text
            assert 'visavis_jobs{state="queued"} 0.0' in text

    async def test_ids_make_no_rows_of_figures(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast) as api:
            for number in range(5):
                await api.get(f"/api/v1/sessions/nobody{number}")
                await api.get(f"/nowhere/{number}")
            text = (await api.get("/metrics", headers=AS_ADMIN)).text
            assert "nobody" not in text
            assert "/nowhere" not in text
            assert 'route="/api/v1/sessions/{id}",status="404"} 5.0' in text

    async def test_the_page(self, tmp_path: Path, cast: Cast) -> None:
        async with open_api(tmp_path, cast, headers={}) as api:
            response = await api.get("/")
            assert response.status_code == 200
            assert "script-src 'self'" in response.headers["content-security-policy"]
            assert response.headers["x-content-type-options"] == "nosniff"
            script = response.text.partition('src="/assets/')[2].partition('"')[0]
            response = await api.get(f"/assets/{script}")
            assert response.headers["content-type"].startswith("text/javascript")
            assert "immutable" in response.headers["cache-control"]
