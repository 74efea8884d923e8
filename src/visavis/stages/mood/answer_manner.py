"""How an answer takes up the mood of whoever asked: face, voice and wording.

The rule behind the table: be with the person, not like the person. Joy may be shared. Anger, contempt and
disgust are never given back, because mirrored they grow; they are met calmly and with something to do.
Fear and grief are met slowly and softly. A doubtful mood is met as none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from visavis.core.types import Emotion
from visavis.stages.mood.mood import Mood


@dataclass(frozen=True, slots=True)
class AnswerManner:
    """How to answer.

    Attributes:
        emotion: Of face and voice.
        intensity: Of it, 0..1.
        rate: Pace of the voice against its usual one, all in all: what the voice does of itself for
            the emotion (`synthesizers.delivery.manner_of`) is part of it. 1.0 leaves it to the voice.
        prompt_zh: One sentence for the system prompt of a model that answers in Chinese; empty when
            nothing is to be said.
        prompt_en: The same in English.
    """

    emotion: Emotion = "neutral"
    intensity: float = 0.0
    rate: float = 1.0
    prompt_zh: str = ""
    prompt_en: str = ""


@dataclass(frozen=True, slots=True)
class _Reply:
    """At full intensity of the person's emotion."""

    emotion: Emotion
    intensity: float
    rate: float
    zh: str
    en: str


_TABLE: Mapping[Emotion, _Reply] = {
    # Concern, not anger: an apology with a smile or a frown makes it worse. Slower calms.
    "angry": _Reply(
        "sad", 0.3, 0.94,
        "对方有些生气：先用一句话表示理解和歉意，不辩解、不说教，然后直接说怎么解决。",
        "The person is angry: acknowledge it in one sentence, do not argue or lecture, then say what can be done.",
    ),
    # Neither hurt nor sharp: the face stays as it is, the words get shorter.
    "contempt": _Reply(
        "neutral", 0.0, 1.0,
        "对方语气轻蔑：保持礼貌和平静，不还击，也不讨好，简短准确地回答。",
        "The person is scornful: stay polite and calm, neither strike back nor flatter, answer briefly and exactly.",
    ),
    # What disgusts is somewhere else: a disgusted face would look as if it meant the person.
    "disgusted": _Reply(
        "neutral", 0.0, 1.0,
        "对方对某件事感到厌恶：表示理解，不要复述令人不适的细节，说明可以怎么处理。",
        "Something disgusts the person: show that you understand, do not repeat the details, say what can be done about it.",
    ),
    # A calm, slow voice. Neither a worried face, which confirms the fear, nor a smile, which belittles it.
    "fear": _Reply(
        "neutral", 0.0, 0.9,
        "对方害怕或着急：语气平稳，先让对方安心，一步一步说清楚；有危险时先说求助电话。",
        "The person is afraid: speak steadily, reassure first, go step by step; in danger name the emergency number first.",
    ),
    "happy": _Reply(
        "happy", 0.6, 1.03,
        "对方心情很好：可以轻松、热情一些。",
        "The person is in a good mood: be light and warm.",
    ),
    "neutral": _Reply("neutral", 0.0, 1.0, "", ""),
    # Sharing grief a little is what people do; cheering up is not.
    "sad": _Reply(
        "sad", 0.4, 0.92,
        "对方难过：先温和地表示关心，不急着鼓劲，不说套话，再给出有用的帮助。",
        "The person is sad: first show that you care, do not cheer them up or use set phrases, then help.",
    ),
    # What surprised may be good or bad ("that much?"): the face waits for the answer's own emotion.
    "surprised": _Reply(
        "neutral", 0.0, 1.0,
        "对方感到意外：先确认事实，再简单解释原因。",
        "The person is surprised: confirm the fact first, then explain it in short.",
    ),
}  # fmt: skip

_STEPS = 4
"""Strengths of a manner beside the weakest."""


def respond_to(mood: Mood) -> AnswerManner:
    """Say how to answer somebody in this mood.

    Intensity and pace follow the mood's intensity and confidence, in steps: what was spoken once in a
    manner is then found again. A voice that is excited beyond its habit, with words that show nothing, is
    met a little slower; the face stays neutral, because the voice does not tell joy from anger.
    """
    reply = _TABLE[mood.emotion]
    if mood.emotion == "neutral":
        return AnswerManner(rate=0.97 if mood.arousal == "high" else 1.0)
    share = min(max(mood.intensity, 0.0), 1.0) * min(max(mood.confidence, 0.0), 1.0)
    # Half of it at once: somebody mildly angry is angry.
    share = 0.5 + 0.5 * round(share * _STEPS) / _STEPS
    return AnswerManner(
        emotion=reply.emotion,
        intensity=round(reply.intensity * share, 3),
        rate=round(1 + (reply.rate - 1) * share, 3),
        prompt_zh=reply.zh,
        prompt_en=reply.en,
    )
