"""How an unpunctuated partial transcript reads: whole, broken off, or an echo of what was just said."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from visavis.core.language import is_han

Reading: TypeAlias = Literal["finished", "unfinished", "open"]

_FINISHED_ZH = re.compile(
    r"(?:吗|么|呢|吧|嘛|什么|哪里|哪儿|哪个|哪些|多少|多少钱|多久|几点|几天|几岁|谁|怎么办|怎么样|怎么弄|怎么走|为什么"
    r"|行不行|好不好|有没有|谢谢|谢谢你|谢谢您|再见|你好|您好|拜拜|停|停下|别说了|等一下"
    r"|(?:怎么|如何|怎样|咋|什么|在哪里?|去哪里?|什么时候|什么地方|哪里|需要什么|要带什么|要什么|哪些|多少|几)"
    r"[\u4e00-\u9fff]{1,8})$"
)
_UNFINISHED_ZH = re.compile(
    r"(?:然后|那个|这个|那么|就是|就是说|因为|所以|但是|可是|不过|而且|还有|以及|或者|还是|如果|要是|假如|比如|比如说|关于|对于|至于"
    r"|我想|我要|我想问|我想问一下|想问一下|请问|请问一下|麻烦|帮我|我的|你的|他的|它的|的话|和|跟|与|及|或|把|被|给|从|到|在"
    r"|向|往|对|为|由|于|并|且|但|而|又|嗯|呃|额|啊那|一个|一下那|怎么|如何|怎样|什么时候|为了|需要|应该|能不能|可不可以|想|要|去)$"
)
_QUESTION_EN = re.compile(
    r"^(?:(?:and|so|but|well|ok|okay|um|uh|hi|hello|hey|please|excuse me|sorry|yes|no|then)\s+)*"
    r"(?:who|whose|what|whats|what's|when|where|why|how|hows|which|is|are|am|was|were|do|does|did|can|could"
    r"|will|would|should|shall|may|must|have|has|tell me|show me|give me)\b"
)
_CLOSED_EN = re.compile(
    r"(?:^|\s)(?:please|thanks|thank you|goodbye|bye|hello|hi|stop|stop it|be quiet|wait)$"
)
_UNFINISHED_EN = re.compile(
    r"(?:^|\s)(?:and|or|but|because|so|if|when|while|that|which|who|whose|than|then|as|like|the|a|an|my|your"
    r"|his|her|its|our|their|this|these|those|some|any|of|to|for|with|without|from|in|on|at|by|about|into"
    r"|over|under|between|after|before|until|is|are|am|was|were|be|been|do|does|did|can|could|will|would"
    r"|should|shall|may|might|must|have|has|had|want|need|i|we|you|they|he|she|it's|i'm|i'd|um|uh|er|erm|hmm"
    r"|how|what|where|why|very|really|also|not|please tell me|i want to|let's)$"
)
_MAY_CLOSE_EN = re.compile(
    # "where are you from", "what is it for", "who is he": a question may end in a small word.
    r"^(?:who|what|where|when|why|how|which)\b.*\b(?:from|for|about|like|in|on|at|to|with|it|he|she"
    r"|they|you|i|we|that|this|these|those|need|want|is|are)$"
)
_STOP = re.compile(
    r"^(?:嗯|啊|哎|喂|好了?|ok|okay|no|hey|please)?\s*(?:停|停下|停一下|停止|别说了|不要说了|等一下|等等|够了|打住|闭嘴|安静"
    r"|stop|stop it|wait|hold on|enough|quiet|be quiet|shut up|pause|never mind)"
)
_TOKEN = re.compile(r"[a-z0-9']+|[\u3400-\u9fff]")
_LEAST_WORDS = 3


def read_ending(text: str) -> Reading:
    """Tell whether a partial transcript reads like a whole question, or stops in the middle.

    Args:
        text: As recognised so far, Chinese or English, with or without punctuation.
    """
    plain = re.sub(r"[\s。，？！、,.?!;；:：]+$", "", text.strip().lower())
    if not plain:
        return "open"
    if is_han(plain[-1]):
        joined = re.sub(r"\s+", "", plain)
        if re.search(
            r"(?:请问|我想|我要|想问)?(?:怎么|如何|怎样|能不能|可不可以|什么时候)$", joined
        ):
            return "unfinished"
        if _FINISHED_ZH.search(joined):
            return "finished"
        return "unfinished" if _UNFINISHED_ZH.search(joined) else "open"
    if _CLOSED_EN.search(plain):
        return "finished"
    words = plain.split()
    asks = bool(_QUESTION_EN.match(plain))
    if _UNFINISHED_EN.search(plain):
        whole = asks and len(words) > _LEAST_WORDS and bool(_MAY_CLOSE_EN.match(plain))
        return "open" if whole else "unfinished"
    return "finished" if asks and len(words) >= _LEAST_WORDS else "open"


def is_command_to_stop(text: str) -> bool:
    """Whether somebody asks for silence: 停, 别说了, stop, wait."""
    return bool(_STOP.match(text.strip().lower()))


def share_of_own_words(heard: str, own: str) -> float | None:
    """Tell how much of what was heard is in what the face says, in the same order.

    Args:
        heard: A partial transcript; an echo is understood badly, so single words differ.
        own: The sentences that the face says and said just before.

    Returns:
        0..1, or None when too little was heard to tell.
    """
    words, said = _TOKEN.findall(heard.lower()), _TOKEN.findall(own.lower())
    if not words or (len(words) == 1 and not is_han(words[0]) and len(words[0]) < 3):
        return None
    if not said:
        return 0.0
    # Longest common subsequence, by rows.
    row = [0] * (len(said) + 1)
    for word in words:
        before = 0
        for i, other in enumerate(said, 1):
            kept = row[i]
            row[i] = before + 1 if word == other else max(row[i], row[i - 1])
            before = kept
    return row[-1] / len(words)
