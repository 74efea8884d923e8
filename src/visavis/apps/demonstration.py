"""Four questions and their answers: what the project does, on one machine, offline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visavis.apps.answering import answer
from visavis.apps.assemble import Cast
from visavis.apps.settings import load_settings
from visavis.core.errors import OutputUnwritable
from visavis.core.types import Language, Sentence, Speech, Waveform


@dataclass(frozen=True, slots=True)
class DemoQuestion:
    """A question of the demo; ``askers`` are voices that may say it, none when it is written."""

    name: str
    text: str
    language: Language
    askers: tuple[str, ...] = ()


DEMO_QUESTIONS = (
    DemoQuestion("zh-written", "身份证丢了，怎么补办？", "zh"),
    DemoQuestion("zh-spoken", "办理居住证需要带哪些材料？", "zh", ("zm_yunxi", "zf_xiaohe")),
    DemoQuestion("en-written", "How do I replace a lost identity card?", "en"),
    DemoQuestion(
        "en-spoken",
        "How do I get a residence permit?",
        "en",
        ("am_michael", "af_heart"),
    ),
)


async def run_demo(
    folder: Path, tell: Callable[[int, Mapping[str, Any]], None] = lambda number, result: None
) -> list[dict[str, Any]]:
    """Answer the four questions into a folder.

    Args:
        folder: See ``make_folder``.
        tell: Called with the number, from 1, and the result of each.

    Returns:
        What ``answer`` returns, and for spoken questions ``asked`` and ``recording``.
    """
    from visavis.media.audio import write_wav

    cast = Cast(load_settings())
    avatar = cast.load_avatar()
    results = []
    for number, question in enumerate(DEMO_QUESTIONS, 1):
        video = folder / f"{question.name}.mp4"
        if question.askers:
            taken = cast.choose_voices(avatar).values()
            free = [voice for voice in question.askers if voice not in taken]
            asker = (free or question.askers)[0]
            recording = folder / f"{question.name}.wav"
            write_wav(recording, await say(cast, question.text, question.language, asker))
            result = await answer(cast, video, None, recording, avatar=avatar)
            result |= {"asked": question.text, "recording": str(recording)}
        else:
            result = await answer(cast, video, question.text, avatar=avatar)
        tell(number, result)
        results.append(result)
    return results


def make_folder(folder: Path) -> None:
    """Make a folder where it is missing.

    Raises:
        OutputUnwritable: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"the folder {folder} cannot be made ({error.strerror}); name another"
        ) from error


async def say(cast: Cast, text: str, language: Language, voice: str) -> Waveform:
    """Let a voice say a sentence."""
    return (await speak_sentence(cast, Sentence(0, 0, text, language), voice)).audio


async def speak_sentence(cast: Cast, sentence: Sentence, voice: str) -> Speech:
    """Let a voice say a sentence, as one Speech."""
    import numpy as np

    speeches = [speech async for speech in cast.router.speak(sentence, voice)]
    samples = np.concatenate([speech.audio.samples for speech in speeches])
    marks = tuple(mark for speech in speeches for mark in speech.marks)
    return Speech(sentence.turn, sentence, Waveform(samples, speeches[0].audio.sample_rate), marks)
