"""What is never said, whoever writes it: a short list of rules for questions and for a model's words.

It is a list, no judgement: it stops the plain cases in Chinese and English and misses what is paraphrased.
Answers of a base are said as its owner wrote them and are not looked at.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, TypeAlias

from visavis.core.types import Language
from visavis.models.common.simplified import to_simplified

Harm: TypeAlias = Literal["self-harm", "weapons", "drugs", "minors", "slur", "personal data"]

DECLINED: dict[Language, str] = {
    "zh": "抱歉，这个内容我不能说。您可以问我别的问题。",
    "en": "Sorry, I cannot help with that. Please ask me something else.",
}
COMFORT: dict[Language, str] = {
    "zh": "听起来您现在很难受，谢谢您告诉我。请马上联系一位您信任的人，或者拨打当地的心理援助热线；如果有危险，请拨打急救电话。您不必一个人扛着。",
    "en": (
        "It sounds as if you are going through something very hard; thank you for telling me. Please contact"
        " somebody you trust right now, or call your local crisis line; if you are in danger, call the"
        " emergency number. You do not have to carry this alone."
    ),
}

_ASKING = r"(?:怎么|怎样|如何|咋|教我|告诉我|步骤|方法|配方|教程|自制|制作|制造|合成|提炼|组装)"
_HOW = r"(?:how (?:do|can|to|would|could|should)|teach me|show me|steps? (?:to|for)|recipe|instructions?|guide to|make|build|cook|synthesi[sz]e)"
_ARMS = r"(?:炸弹|炸药|爆炸物|土枪|枪支|手枪|步枪|燃烧瓶|雷管|毒气|沙林|神经毒剂|生化武器|火药)"
_ARMS_EN = (
    r"(?:pipe bombs?|bombs?|explosives?|molotov(?: cocktail)?s?|ghost guns?|firearms?|silencers?|detonators?"
    r"|sarin|nerve agents?|chemical weapons?|bioweapons?|napalm|grenades?|gunpowder)"
)
_DRUGS = r"(?:冰毒|海洛因|可卡因|毒品|摇头丸|麻古|k粉|大麻|甲基苯丙胺|芬太尼)"
_DRUGS_EN = (
    r"(?:meth(?:amphetamine)?|crystal meth|heroin|cocaine|crack|mdma|ecstasy|fentanyl|lsd|ghb)"
)
_CHILD = r"(?:儿童|小孩|孩子|幼童|幼女|幼男|男童|女童|未成年(?:人)?|小学生|初中生|萝莉|正太)"
_CHILD_EN = r"(?:child(?:ren)?|kids?|minors?|toddlers?|under-?age|preteens?|lolita|loli|schoolgirls?|schoolboys?)"
_SEX = r"(?:色情|裸照|裸体|性行为|性爱|做爱|性交|黄片|淫秽|色图)"
_SEX_EN = r"(?:porn\w*|nudes?|naked|sex(?:ual(?:ly)?|y)?|erotic\w*|intercourse)"

_QUESTION: dict[Harm, re.Pattern[str]] = {
    "self-harm": re.compile(
        r"(?:我|俺)?(?:不想活|想(?:要)?(?:去)?死(?!机|记|磕)|活不下去|想自杀|要自杀|准备自杀|想自残|结束(?:我的|自己的)?生命|轻生的念头|想跳楼|想割腕)"
        r"|(?:怎么|如何|怎样).{0,4}(?:自杀|自残|割腕|烧炭)"
        r"|\b(?:kill(?:ing)? myself|end(?:ing)? my (?:own )?life|want(?:ed)? to die|suicidal|commit suicide|take my own life"
        r"|hurt(?:ing)? myself|cut(?:ting)? myself|self[- ]harm|do ?n[o']?t want to (?:live|be alive))\b"
    ),
    "weapons": re.compile(
        rf"{_ASKING}.{{0,12}}{_ARMS}|{_ARMS}.{{0,8}}(?:怎么|如何|怎样).{{0,3}}(?:做|造|制|组装|配)"
        rf"|\b{_HOW}\b.{{0,30}}\b{_ARMS_EN}\b"
    ),
    "drugs": re.compile(
        rf"(?:怎么|怎样|如何|咋|教我|步骤|配方|教程|自制).{{0,6}}(?:做|制|造|合成|提炼|提纯|种植?|买|购买|弄到).{{0,6}}{_DRUGS}"
        rf"|{_DRUGS}.{{0,6}}(?:怎么|如何|怎样|的)(?:做|制|造|合成|提炼|买|配方|制作|制造)"
        rf"|\b(?:how (?:do|can|to|would|could|should)|teach me|show me|recipe|steps?)\b.{{0,20}}"
        rf"\b(?:make|cook|synthesi[sz]e|produce|buy|get|for)\b.{{0,15}}\b{_DRUGS_EN}\b"
    ),
    "minors": re.compile(
        rf"{_CHILD}.{{0,8}}{_SEX}|{_SEX}.{{0,8}}{_CHILD}"
        rf"|\b{_CHILD_EN}\b.{{0,20}}\b{_SEX_EN}\b|\b{_SEX_EN}\b.{{0,20}}\b{_CHILD_EN}\b"
    ),
}
_PROTECTING = re.compile(
    r"举报|报警|防范|预防|打击|保护|防止|教育|侵害|犯罪|许可|执照|法律|licen[cs]e|permit|\blaw|legal|report|prevent|protect|educat|abuse|exploitation|police"
)
"""Words beside which the same topic is a citizen's question, not a request."""

_ANSWER: dict[Harm, re.Pattern[str]] = {
    "weapons": re.compile(
        rf"(?:制作|制造|自制|组装|配制|做|造).{{0,10}}{_ARMS}.{{0,40}}(?:步骤|首先|需要|混合|材料|装入|方法|克|毫升)"
        rf"|(?:硝酸铵|硝酸甘油|黑索金|tnt|铝热剂).{{0,20}}(?:混合|加入|加热|搅拌|比例)"
        rf"|\b(?:make|build|assemble|construct)\b.{{0,20}}\b{_ARMS_EN}\b.{{0,80}}\b(?:mix|need|fill|first|step|combine|attach|grams?)\b"
        rf"|\b(?:ammonium nitrate|nitroglycerin\w*|rdx|thermite)\b.{{0,40}}\b(?:mix|combine|add|heat|stir|ratio)\b"
    ),
    "drugs": re.compile(
        rf"(?:制作|制造|合成|提炼|制取).{{0,6}}{_DRUGS}.{{0,40}}(?:步骤|首先|需要|混合|加热|加入|方法)"
        rf"|(?:麻黄碱|伪麻黄碱|苯基丙酮).{{0,20}}(?:加入|加热|还原|反应|混合|提取)"
        rf"|\b(?:make|cook|synthesi[sz]e|produce)\b.{{0,15}}\b{_DRUGS_EN}\b.{{0,80}}\b(?:mix|need|heat|first|step|combine|add)\b"
        rf"|\b(?:pseudo)?ephedrine\b.{{0,60}}\b(?:red phosphorus|iodine|lithium|reduce|reduction|mix|heat)\b"
    ),
    "self-harm": re.compile(
        r"(?:你|您)(?:应该|可以|不如|最好|还是)?去死|(?:你|您)(?:应该|不如|可以)自杀|(?:自杀|割腕|烧炭).{0,6}(?:步骤|方法(?:是|如下|有)|最(?:快|无痛))"
        r"|\b(?:go kill yourself|you should (?:die|kill yourself|end your life)|kys"
        r"|(?:easiest|painless|best|quickest) way to (?:die|kill yourself|commit suicide))\b"
    ),
    "minors": _QUESTION["minors"],
    "slur": re.compile(
        r"操你|草泥马|肏|傻[逼屄比]|煞笔|狗娘养|王八蛋|婊子|贱货|支那|黑鬼|尼哥|死基佬|娘炮|脑残|智障东西|去你妈|他妈的|妈的逼|妈逼"
        r"|\b(?:fuck\w*|shit|cunt\w*|nigg(?:er|a)s?|faggots?|fags?|kikes?|chinks?|spics?|wetbacks?|trann(?:y|ies)|retards?"
        r"|gooks?|ragheads?|bitch(?:es)?|whores?|motherfuck\w*|bastards?)\b"
    ),
}

_READ = 4_000
"""Characters of a question that are looked at; more is no question."""
_LONG_NUMBER = re.compile(r"(?<![\d.])\d(?:[ -]?\d){14,18}(?:[ -]?[xX])?(?!\d|\.\d)")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def judge_question(text: str) -> Harm | None:
    """Tell what a question asks for that is not answered by a model; None for any other question."""
    plain = _fold(text[:_READ])
    for harm, pattern in _QUESTION.items():
        if pattern.search(plain) and (harm == "self-harm" or not _PROTECTING.search(plain)):
            return harm
    return None


def judge_answer(text: str, given: str = "") -> Harm | None:
    """Tell why a model's words must not be said; None where nothing was found.

    Args:
        text: A sentence, or what has come of an answer.
        given: The question: numbers that the user gave may be said again.
    """
    plain = _fold(text)
    for harm, pattern in _ANSWER.items():
        if pattern.search(plain) and (harm != "minors" or not _PROTECTING.search(plain)):
            return harm
    digits = re.sub(r"[ -]", "", unicodedata.normalize("NFKC", given)).upper()
    for match in _LONG_NUMBER.finditer(unicodedata.normalize("NFKC", text)):
        number = re.sub(r"[ -]", "", match.group()).upper()
        if (is_identity_number(number) or is_card_number(number)) and number not in digits:
            return "personal data"
    return None


def is_identity_number(number: str) -> bool:
    """Whether 18 characters are a Chinese identity number: GB 11643-1999, ISO 7064 MOD 11-2."""
    if not re.fullmatch(r"[1-9]\d{16}[\dX]", number):
        return False
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    if not (1850 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    total = sum(int(c) * w for c, w in zip(number, _WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == number[17]


def is_card_number(number: str) -> bool:
    """Whether 15 to 19 digits are a payment card's: ISO/IEC 7812, Luhn's check digit, first digit 2..6."""
    if not re.fullmatch(r"[2-6]\d{14,18}", number):
        return False
    total = 0
    for i, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if i % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text)
    seen = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    return to_simplified(" ".join(seen.casefold().split()))
