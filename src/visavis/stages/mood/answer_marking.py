"""Which emotion a sentence of an answer is said with, where nobody marked it.

An answer at a counter is neutral unless it says otherwise plainly: a smile over a list of fees looks
false. So only joy, regret and surprise are ever told, only where a phrase of the sentence says so or the
classifier is sure, and never angry, contemptuous, disgusted or afraid.
"""

from __future__ import annotations

import re

from visavis.core.types import EMOTIONS, Emotion, Language
from visavis.models.sentence_encoder.predictor import SentenceEncoder
from visavis.models.text_emotion.cues import read_cues, read_plainly
from visavis.models.text_emotion.predictor import TextEmotion
from visavis.stages.mood.reader import Encoder

SURE = 0.85
"""Probability from which the classifier is believed where no phrase says it: it learnt from people who
ask, not from those who answer."""
_TOLD: tuple[Emotion, ...] = ("happy", "sad")
_FACT = re.compile(
    r"\d|[一二三四五六七八九十百千万两半]+(?:个|元|块|天|日|月|年|张|份|楼|号|点|分|周|次|岁|寸)|窗口|材料|复印件|"
    r"\b(?:one|two|three|five|ten|twenty|thirty|hundred|yuan|days?|weeks?|months?|floor|copy|copies|counter|fee)\b"
)
_REGRET = re.compile(
    r"(?:很|非常|十分|真|实在|深感|深表)?(?:抱歉|遗憾|对不起|不好意思|难过)|请?节哀|请?原谅|可惜|"
    r"\b(?:i'?m|i am|we'?re|we are) (?:very |so |really |deeply |truly )?sorry\b|^sorry\b|\bunfortunately\b"
    r"|\bregret(?:fully)? |\bcondolences\b|\bapologi[sz]e|\bsorry (?:to hear|for your|that|about)\b"
    r"|\bi'?m afraid\b"
)
_JOY = re.compile(
    r"恭喜|祝贺|太好了|真为您高兴|很高兴|非常高兴|好消息|祝您|祝你|不客气|欢迎|生日快乐|新年快乐|感谢您"
    r"|\bcongratulations\b|\bgood news\b|\bglad\b|\bhappy (?:to|birthday|for|new)\b|\bdelighted\b|\bmy pleasure\b"
    r"|\byou(?:'re| are) (?:very |most )?welcome\b(?! to)|\bwelcome to\b|\bgreat (?:news|job|choice)\b|\bwonderful\b|\bwell done\b"
    r"|\bpleased to\b|\benjoy your\b|\bhave a (?:nice|great|lovely|good)\b"
)
_SURPRISE = re.compile(
    r"真没想到|哇|真的吗|\bwow\b|\bwhat a surprise\b|\bthat is amazing\b|\breally\?"
)
_NOT_FELT = re.compile(
    r"不(?:用|必|要|需|太)?(?:抱歉|遗憾|难过)|(?:如果|若|假如).{0,12}(?:遗憾|难过|高兴)"
    r"|\b(?:not|never|no need to be|don't be) (?:sorry|afraid|glad|happy)\b"
)


class AnswerMarker:
    """Marks the sentences of answers. Safe to share between threads.

    Args:
        encoder: Makes the sentence vectors; share it with the responder.
        model: Of the text; the packaged one by default.
    """

    def __init__(self, encoder: Encoder | None = None, model: TextEmotion | None = None) -> None:
        self._encoder = encoder or SentenceEncoder()
        self._model = model or TextEmotion()

    def mark_sentence(self, text: str, language: Language) -> Emotion | None:
        """Tell the emotion of a sentence, or None: most are said plainly.

        Args:
            text: One sentence of an answer, without marks.
            language: Of it. Phrases of both are looked for, as answers mix them.
        """
        small = text.lower().replace("’", "'")
        if _NOT_FELT.search(small):
            return None
        phrase = _read_phrases(small)
        if phrase is not None:
            return phrase
        if not text.strip() or text.rstrip().endswith(("?", "？")) or _FACT.search(small):
            return None
        # Without a word of feeling the classifier's guess is a guess at the topic.
        if not read_cues([text])[0, : len(EMOTIONS) - 1].any():
            return None
        chances = self._model.classify([text], self._encoder.encode([read_plainly(text)]))[0]
        for emotion in _TOLD:
            if chances[EMOTIONS.index(emotion)] >= SURE:
                return emotion
        return None


def _read_phrases(text: str) -> Emotion | None:
    """Regret first: "good news, but unfortunately" is no joy."""
    if _REGRET.search(text):
        return "sad"
    if _JOY.search(text):
        return "happy"
    return "surprised" if _SURPRISE.search(text) else None
