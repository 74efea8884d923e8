"""One question, answered into a video file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.apps.recording import (
    Notes,
    begin_quietly,
    iterate_async,
    open_writer,
    record,
    save_subtitles,
)

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast
    from visavis.core.types import Avatar, Language
    from visavis.knowledge.live import LiveKnowledge
    from visavis.stages.responders.told import Citation, Told

LONGEST_QUESTION = 60.0
"""Seconds of a recorded question; nobody asks longer, and a wrong file is much longer."""
HEARING_RATE = 16_000


async def answer(
    cast: Cast,
    output: Path,
    question: str | None,
    audio: Path | None = None,
    *,
    avatar: Avatar | None = None,
    subtitles: bool = True,
    progress: Callable[[float], None] = lambda seconds: None,
) -> dict[str, Any]:
    """Answer a written or a recorded question into a video.

    Returns:
        ``question`` and ``answer`` as texts, the name of who answers as ``persona`` where there is
        one, its ``outcome``, ``confidence`` and ``source`` where the responder tells them,
        ``document``, ``place`` and ``score`` as ``passage`` where it does not answer and a document
        may, ``video`` and ``subtitles`` as paths, ``seconds`` of the video, ``elapsed`` seconds of
        work, ``timings`` by stage.

    Raises:
        Error: Anything between the question and the file.
    """
    from visavis.apps.told_answers import RememberingResponder
    from visavis.media.audio import iterate_audio

    if audio is not None:
        check_length(audio, LONGEST_QUESTION, "cut the question out of it")
    loading = time.perf_counter()
    responder = RememberingResponder(cast.responder)
    conversation = cast.open_conversation(
        avatar=avatar, responder=responder, recognizer=audio is not None
    )
    notes = Notes()
    async with conversation:
        conversation.hub.subscribe(notes)
        with open_writer(output, cast.settings, title=question or "") as writer:
            await begin_quietly(conversation, writer, notes)
            began = time.perf_counter()
            if audio is not None:
                sound = iterate_audio(audio, HEARING_RATE, 0.5)
                turn = conversation.ask_audio(iterate_async(sound))
            else:
                turn = conversation.ask_text(question or "")
            await record(conversation, turn, writer, progress=progress)
        elapsed = time.perf_counter() - began
    files = save_subtitles(output, notes.spoken) if subtitles else []
    return {
        "question": turn.question,
        "answer": turn.answer.strip(),
        **_name_persona(cast, turn.answer),
        **_cite(cast, turn.question, responder.told),
        "video": str(output),
        "subtitles": [str(path) for path in files],
        "seconds": round(writer.duration, 2),
        "loading": round(began - loading, 3),
        "elapsed": round(elapsed, 3),
        "timings": notes.rounded(),
    }


def _name_persona(cast: Cast, answer: str) -> dict[str, str]:
    """Say who answers, in the language of the answer, where the responder is somebody."""
    from visavis.core.language import detect_language
    from visavis.stages.responders.persona import Persona

    persona = getattr(cast.responder, "persona", None)
    if not isinstance(persona, Persona):
        return {}
    return {"persona": persona.name[detect_language(answer, cast.settings.language)]}


def _cite(cast: Cast, question: str, told: Told | None) -> dict[str, Any]:
    """Say where the answer comes from; a responder that did not tell is asked, where it can be."""
    from visavis.core.types import Message

    if told is not None:
        stored = getattr(told.stored, "source", "")
        return {
            "outcome": told.outcome,
            "confidence": round(told.confidence, 3),
            "source": stored or "; ".join(_name_source(one) for one in told.citations),
        }
    explain = getattr(cast.responder, "answer", None)
    if explain is None:
        return {}
    found = explain([Message("user", question)])
    cited: dict[str, Any] = {
        "outcome": found.outcome,
        "confidence": round(found.confidence, 3),
        "source": found.source,
    }
    knowledge = getattr(cast.responder, "knowledge", None)
    if found.outcome != "answer" and knowledge is not None:
        cited |= _find_passage(knowledge, question, found.language)
    return cited


def _name_source(cited: Citation) -> str:
    return ", ".join(dict.fromkeys(part for part in (cited.title, cited.place, cited.url) if part))


def _find_passage(knowledge: LiveKnowledge, question: str, language: Language) -> dict[str, Any]:
    """Look whether a document may hold the answer that the stored pairs do not."""
    from visavis.knowledge.passages import PassageSearch
    from visavis.stages.responders.persona_responder import THRESHOLD

    best = next(iter(PassageSearch(knowledge).search_documents(question, language, 1)), None)
    if best is None or best.score < THRESHOLD:
        return {}
    passage = {"document": best.source, "place": best.place, "score": round(best.score, 3)}
    return {"passage": passage}


def check_length(audio: Path, longest: float, advice: str) -> None:
    """Refuse a recording that is too long, by its headers, before anything is loaded.

    Raises:
        AudioTooLong: It is longer.
    """
    from visavis.core.errors import AudioTooLong
    from visavis.media.video import probe

    duration = probe(audio).audio_duration
    if duration > longest:
        raise AudioTooLong(
            f"{audio} is {duration:.0f} s long and the limit is {longest:.0f} s; {advice}"
        )
