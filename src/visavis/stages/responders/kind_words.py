"""Sympathy in an answer from passages: it rests on no passage, and claims nothing.

A sentence counts as kind words where each of its clauses is one of a few ways to show sympathy or to
calm. Where such a way has room for what happened ("I am sorry to hear that …"), only words of the question
may stand there, and none that would turn them into a claim.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from visavis.core.types import Language
from visavis.stages.responders.figures import find_figures
from visavis.stages.responders.grounding_check import find_addresses, measure_support

_LONGEST: dict[Language, int] = {"zh": 60, "en": 200}
"""Characters; more is no kind word but a speech."""
_SHARE = 0.6
"""Of what fills the room, found in the question."""

_CLAUSES = re.compile(r"[，,、；;：:。.！!？?…~—\n]+|\s+(?:and|but)\s+|^\s*(?:and|but|oh|ah)\s+")
_FEELING_ZH = "担心|着急|害怕|难过|伤心|生气|急|怕|慌|慌张|紧张|焦虑|自责|沮丧|灰心|难受|愤怒|气愤|失望|委屈|无奈"
_VERY_ZH = "(?:也|真的|真|非常|很|十分|特别|实在|确实|的确|一定|肯定|完全|太|好|都)*"
_TROUBLE_ZH = "(?:(?:给|为|对)?(?:您|你)(?:带来|造成)了?(?:的)?(?:不便|麻烦|困扰|不好的体验))"
_THIS_ZH = "(?:这|这样|这种|这件|遇到这种|遇到这样的|碰到这种)?(?:情况|事情|事|时候|种事|件事)?"
_FEELING_EN = (
    r"(?:worr(?:ied|ying)|upset(?:ting)?|frustrat(?:ed|ing)|annoy(?:ed|ing)|stress(?:ed|ful)|hard|difficult"
    r"|scar(?:ed|y)|afraid|frighten(?:ed|ing)|sad|painful|disappoint(?:ed|ing)|terrible|awful|tough|angry"
    r"|you feel|you must feel|you are feeling|your (?:feelings|worry|frustration|concern|anger|disappointment))"
)
_VERY_EN = r"(?:(?:so|very|really|truly|deeply|quite|completely|fully|must|do|can|just) )*"
_AM = r"(?:i am|i'm|we are|we're)"

_WAYS: dict[Language, tuple[re.Pattern[str], ...]] = {
    "zh": tuple(
        re.compile(way)
        for way in (
            rf"(?:请|您|你|先)*(?:别|不要|不用|不必|无需){_VERY_ZH}(?:过于|过度|太过)?(?:{_FEELING_ZH})(?:了)?",
            r"(?:请|您|你)*先?(?:冷静|放心|放松|镇定|消消气|深呼吸|保持冷静|保持镇定|定定神)(?:一下|一点|下来)?",
            rf"(?:我|我们)?{_VERY_ZH}(?:能|可以|深表|表示)*(?:理解|明白|体谅|同情)(?:您|你)?(?:现在|此刻)?的?"
            rf"(?:(?P<room>.{{0,20}}?)的?(?:心情|感受|担心|焦虑|难处|处境|不满|着急|(?:{_FEELING_ZH})))?",
            rf"(?:听到|听说|得知|知道)(?P<room>.{{0,24}}?)(?:我|我们)?(?:{_VERY_ZH}|感到|深感)"
            r"(?:难过|遗憾|抱歉|心疼|替您难过|为您难过|高兴|开心|为您高兴|替您高兴)",
            rf"(?:我|我们)?(?:{_VERY_ZH}|感到|深感)(?:抱歉|对不起|不好意思|遗憾|难过|心疼)"
            rf"(?:让(?:您|你)(?:久等|受委屈|{_FEELING_ZH})了?)?{_TROUBLE_ZH}?",
            rf"(?:对此|对于这件事)?(?:我|我们)?(?:深表|表示|{_VERY_ZH})(?:歉意|遗憾)|(?:我|我们)?向(?:您|你){_VERY_ZH}道歉",
            rf"{_TROUBLE_ZH}(?:我|我们)?(?:深感|{_VERY_ZH})(?:抱歉)?",
            r"(?:我|我们)(?:会)?(?:一直)?在(?:这里|这儿)?(?:陪着?(?:您|你))?",
            rf"{_THIS_ZH}{_VERY_ZH}(?:让人|令人|是)?{_VERY_ZH}(?:{_FEELING_ZH}|不容易|不好受|气人)的?",
            r"(?:您|你)?辛苦了|没关系的?|慢慢来|慢慢说|(?:我|我们)(?:来|会)?(?:帮|陪|陪着)(?:助)?(?:您|你)(?:的|吧)?",
            rf"(?:恭喜|祝贺)(?:您|你)?(?:了|啊)?|太好了|真?(?:为|替)(?:您|你){_VERY_ZH}(?:高兴|开心)",
        )
    ),
    "en": tuple(
        re.compile(way)
        for way in (
            r"(?:please )?(?:do not|don't|no need to|try not to) (?:worry|panic|be (?:afraid|scared|sad|upset))(?: too much)?",
            rf"{_AM} {_VERY_EN}sorry(?: (?:to hear|about|for|that|to hear about|to hear that)(?: (?:that|this|it|you|your loss|the trouble|the inconvenience|any inconvenience)\b)?(?P<room>.{{0,60}}))?",
            rf"(?:i|we) {_VERY_EN}(?:understand|see|imagine|know)(?: (?:how|that|why|what|this|it|is|must be|can be|be|you are|you're|feels?))*"
            rf" {_VERY_EN}{_FEELING_EN}(?: (?:this|that|it)(?: (?:is|must be|feels|can be))?(?: for you)?| you are| you feel)?",
            rf"(?:that|this|it)(?: is|'s| must be| sounds| can be| must feel| must have been) {_VERY_EN}{_FEELING_EN}(?: for you)?",
            r"(?:please )?(?:try to )?(?:stay|keep|remain) calm|(?:please )?take (?:your time|a deep breath)",
            rf"(?:{_AM}|we're) here (?:to help|for you)(?: you)?|let me help(?: you)?|i will help(?: you)?",
            rf"congratulations|(?:that is|that's|what) (?:great|wonderful|good|lovely) news|{_AM} {_VERY_EN}(?:happy|glad) (?:for you|to help)",
        )
    ),
}
_LEADS: dict[Language, re.Pattern[str]] = {
    "zh": re.compile(r"(?:听到|听说|得知)(?P<room>.{0,24})"),
    "en": re.compile(r"(?:i|we) (?:hear|see|understand)(?: that)?(?P<room> .{0,60})"),
}
"""What may stand before sympathy, and shows none itself."""
_TURNS: dict[Language, re.Pattern[str]] = {
    "zh": re.compile(
        r"可以|能够?|要|必须|应该|需|免|会|不用|没有|无法|不能|收费|已经?[有被]?批|是[^的]*的$|[吗呢]"
    ),
    "en": re.compile(
        r"\b(?:is|are|can|can't|cannot|may|must|need|needs|will|should|do|does|don't|not|no|never|free)\b"
    ),
}
"""What would make a claim of the question's own words."""


def is_kind(said: str, question: str, language: Language) -> bool:
    """Whether a sentence is sympathy and nothing else.

    Args:
        said: Of an answer, without marks of citations.
        question: That it answers.
        language: Of both.
    """
    if len(said) > _LONGEST[language] or find_figures(said) or find_addresses(said):
        return False
    text = unicodedata.normalize("NFKC", said).casefold().replace("’", "'")
    clauses = [part.strip(" \"'“”()") for part in _CLAUSES.split(text)]
    clauses = [clause for clause in clauses if any(map(str.isalnum, clause))]
    ways = [_is_one(_WAYS[language], clause, question, language) for clause in clauses]
    return any(ways) and all(
        way or _is_one([_LEADS[language]], clause, question, language)
        for way, clause in zip(ways, clauses, strict=True)
    )


def _is_one(
    ways: Sequence[re.Pattern[str]], clause: str, question: str, language: Language
) -> bool:
    for way in ways:
        if (found := way.fullmatch(clause)) is None:
            continue
        room = (found.groupdict().get("room") or "").strip()
        if not room:
            return True
        if not _TURNS[language].search(room):
            own = room.translate(_PERSONS) if language == "zh" else room
            return measure_support(own, question, language) >= _SHARE
    return False


_PERSONS = str.maketrans("您你", "我我")
"""Who answers says "you" where who asks says "I"."""
