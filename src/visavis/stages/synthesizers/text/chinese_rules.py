"""How numbers, dates, money, addresses and signs are read in Chinese."""

from __future__ import annotations

import re

from visavis.stages.synthesizers.text.chinese_numbers import (
    read_amount,
    read_cardinal,
    read_digits,
    read_number,
)
from visavis.stages.synthesizers.text.chinese_words import (
    CURRENCIES,
    MEASURES,
    SIGNS,
    UNITS,
    URL_SIGNS,
)
from visavis.stages.synthesizers.text.rules import Reading, Rule, rule

_N = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_TO = r"\s?[-–—~～]{1,2}\s?"
_ALONE = r"(?<![\dA-Za-z])(?<!\d[.,])"
_END = r"(?![\d])(?![.,]\d)"
_HOUR = r"(?<![\d:：.])([01]?\d|2[0-4])[:：]([0-5]\d)(?:[:：]([0-5]\d))?(?![\d:：%])"

_FOLLOWED_BY_MEASURE = re.compile(rf"\s?(?:{MEASURES})")
_UNIT = "|".join(re.escape(u) for u in sorted(UNITS, key=len, reverse=True))
_CURRENCY = "|".join(re.escape(c) for c in sorted(CURRENCIES, key=len, reverse=True))
_CALLING = re.compile(
    r"(?:电话|热线|急救|报警|火警|拨打?|致电|客服|号码|手机|传真|打|咨询|呼叫|联系方式|服务台?)[^\d，。；,;!?！？]{0,6}$"
)
_CALLED = re.compile(
    r"\s?(?:热线|电话|客服|报警|急救|火警|平台|服务热线|政务服务|便民|专线|举报|投诉)"
)
_CODE = re.compile(
    r"(?:验证码|编号|卡号|账号|帐号|单号|学号|工号|邮编|邮政编码|密码|序列号|代码|流水号|证号|号码|尾号|后四位|QQ|微信|房号|车次)"
    r"[^\d，。；,;!?！？]{0,4}$"
)
_PHONE_BODY = re.compile(
    r"\s?(?:元|个|人|次|家|万|亿|份|张|件|名|户|%|块|米|公里|年|天|平|吨|斤|页|辆|台|例|项|度)"
)
_SCORE = re.compile(r"(?:比分|战胜|击败|输给|赢|以|战平|比例)[^\d]{0,6}$")


def _before(match: re.Match[str], pattern: re.Pattern[str]) -> bool:
    start = match.start()
    return bool(pattern.search(match.string[max(0, start - 16) : start]))


def _after(match: re.Match[str], pattern: re.Pattern[str]) -> bool:
    return bool(pattern.match(match.string, match.end()))


def _as_year(text: str) -> bool:
    return len(text) == 4 and 1000 <= int(text) <= 2199


def _grouped(*groups: str | None) -> str:
    return "，".join(read_digits(g, yao=True) for g in groups if g)


def _date(match: re.Match[str]) -> str | None:
    year, month, day = match.group(1, 2, 3)
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{read_digits(year)}年{read_cardinal(month)}月{read_cardinal(day)}日"


def _year_month(match: re.Match[str]) -> str | None:
    year, month = match.group(1, 2)
    return f"{read_digits(year)}年{read_cardinal(month)}月" if 1 <= int(month) <= 12 else None


def _year(match: re.Match[str]) -> str | None:
    text = match.group()
    if int(text) % 100 == 0 and int(text) != 2000 and int(text) < 1900:
        return None
    return read_digits(text)


def _year_range(match: re.Match[str]) -> str | None:
    first, second = match.group(1, 2)
    named = _after(match, re.compile("学?年"))
    recent = int(first) >= 1900 and int(second) <= 2099
    if not (_as_year(first) and _as_year(second) and int(first) < int(second)):
        return None
    if not (named or recent):
        return None
    return f"{read_digits(first)}到{read_digits(second)}"


def _time(match: re.Match[str]) -> str | None:
    hour, minute, second, half = match.group(1, 2, 3, 4)
    if _before(match, _SCORE):
        return None
    said = (
        {"A": "上午", "P": "下午"}.get((half or "").upper(), "")
        + read_cardinal(hour, liang=True)
        + "点"
    )
    if int(minute) or second:
        said += ("零" if minute[0] == "0" and int(minute) else "") + read_cardinal(minute) + "分"
    if second:
        said += ("零" if second[0] == "0" and int(second) else "") + read_cardinal(second) + "秒"
    return said


def _ratio(match: re.Match[str]) -> str:
    return f"{read_number(match.group(1))}比{read_number(match.group(2))}"


def _hotline(match: re.Match[str]) -> str | None:
    text = match.group()
    if _after(match, _PHONE_BODY):
        return None
    if len(text) == 3 and not (_before(match, _CALLING) or _after(match, _CALLED)):
        return None
    return read_digits(text, yao=True)


def _local_phone(match: re.Match[str]) -> str | None:
    groups = match.group(1, 2)
    return _grouped(*groups) if _before(match, _CALLING) else None


def _percent(match: re.Match[str]) -> str:
    sign, low, mark, high, whole = match.group(1, 2, 3, 4, 5)
    per = {"%": "百分之", "‰": "千分之"}[whole]
    said = ("负" if sign else "") + per + read_number(low)
    if high:
        said += "到" + (per if mark else "") + read_number(high)
    return said


def _temperature(match: re.Match[str]) -> str:
    low_sign, low, high_sign, high, unit = match.group(1, 2, 3, 4, 5)

    def one(sign: str | None, number: str) -> str:
        return ("零下" if sign else "") + read_number(number)

    said = one(low_sign, low) + (f"到{one(high_sign, high)}" if high else "")
    return said + UNITS[unit.replace(" ", "")]


def _money(match: re.Match[str]) -> str:
    sign, low, high, scale = match.group(1, 2, 3, 4)
    said = _before_scale(low, scale) + (f"到{_before_scale(high, scale)}" if high else "")
    return said + (scale or "") + CURRENCIES[sign]


def _before_scale(number: str, scale: str | None) -> str:
    return read_amount(number) if not scale else read_number(number, liang=True)


def _money_behind(match: re.Match[str]) -> str:
    return read_amount(match.group(1)) + (match.group(2) or "") + CURRENCIES[match.group(3)]


def _range(match: re.Match[str]) -> str | None:
    low, high = match.group(1, 2)
    if _before(match, _SCORE):
        return f"{read_number(low)}比{read_number(high)}"
    if float(low.replace(",", "")) >= float(high.replace(",", "")):
        return f"{_read(low, match)}杠{_read(high, match)}"
    measured = _after(match, _FOLLOWED_BY_MEASURE) or _after(match, _UNIT_NEXT)
    return f"{read_number(low, liang=measured)}到{read_number(high, liang=measured)}"


_UNIT_NEXT = re.compile(rf"\s?(?:{_UNIT})(?![A-Za-z])")


def _read(number: str, match: re.Match[str]) -> str:
    """Read a bare number by what stands around it."""
    plain = number.replace(",", "")
    if plain.isdigit() and number == plain:
        if len(plain) > 1 and plain[0] == "0":
            return read_digits(plain)
        if _before(match, _CODE) or (len(plain) >= 9 and not _after(match, _FOLLOWED_BY_MEASURE)):
            return read_digits(plain)
    if _before(match, re.compile(r"[第初]$")):
        return read_number(number)
    if _after(match, re.compile(r"\s?(?:[万亿千百])?(?:元|块|美元|欧元|港元|英镑|日元)")):
        return read_amount(number)
    measured = _after(match, _FOLLOWED_BY_MEASURE) or _after(match, _UNIT_NEXT)
    return read_number(number, liang=measured)


def _number(match: re.Match[str]) -> str:
    sign = match.group(1)
    return ("负" if sign else "") + _read(match.group(2), match)


def _fraction(match: re.Match[str]) -> str:
    top, bottom = match.group(1, 2)
    if {top, bottom} == {"7", "24"}:
        return "七乘二十四"
    if int(top) < int(bottom):
        return f"{read_cardinal(bottom)}分之{read_cardinal(top)}"
    return f"{read_cardinal(top)}斜杠{read_cardinal(bottom)}"


def _dotted(match: re.Match[str]) -> str:
    parts = match.group().split(".")
    long = len(parts) == 4
    return "点".join(read_digits(p) if long or p[0] == "0" else read_cardinal(p) for p in parts)


def _letters_digits(match: re.Match[str]) -> str:
    letters, digits, tail = match.group(1, 2, 3)
    if "." in digits:
        number = read_number(digits)
    elif len(digits) >= 3 or digits[0] == "0":
        number = read_digits(digits, yao=True)
    else:
        number = read_cardinal(digits)
    return f"{letters}{number}{tail or ''}"


def _digits_letters(match: re.Match[str]) -> str:
    digits, letters = match.group(1, 2)
    return (read_cardinal(digits) if len(digits) <= 2 else read_number(digits)) + letters


def _mixed_code(match: re.Match[str]) -> str | None:
    text = match.group()
    if not (re.search(r"\d", text) and re.search(r"[A-Za-z]", text)):
        return None
    long = len(re.findall(r"\d", text)) > 4

    def read(found: re.Match[str]) -> str:
        digits = found.group()
        if "." in digits:
            return read_number(digits)
        return read_digits(digits, yao=True) if long or len(digits) > 2 else read_cardinal(digits)

    return re.sub(r"\d+(?:\.\d+)?", read, text.replace("-", " "))


def _address(match: re.Match[str]) -> str:
    """Read a web or mail address: known words as words, the rest letter by letter."""
    text = re.sub(r"^(?:https?|ftp)://", "", match.group().rstrip("./")).replace("www.", "三W.")
    said = []
    for part in re.findall(r"[A-Za-z]+|\d+|三W|.", text):
        if part in URL_SIGNS:
            said.append(URL_SIGNS[part])
        elif part.isdigit():
            said.append(read_digits(part))
        else:
            said.append(spell_unless_word(part))
    return " ".join(said)


_WORD_LIKE = {
    "com",
    "net",
    "org",
    "info",
    "mail",
    "app",
    "top",
    "web",
    "blog",
    "shop",
    "online",
    "gmail",
}


def spell_unless_word(part: str) -> str:
    """Capitals for what is spelled out: short pieces and those without a vowel."""
    if part.lower() in _WORD_LIKE or (len(part) > 4 and re.search(r"[aeiouy]", part, re.I)):
        return part.lower()
    return part.upper()


def _yao(match: re.Match[str]) -> str:
    return read_digits(match.group(1), yao=True)


def _room(match: re.Match[str]) -> str:
    return (
        read_digits(match.group(1), yao=True)
        if len(match.group(1)) >= 3
        else read_cardinal(match.group(1))
    )


def _circled(match: re.Match[str]) -> str:
    code = ord(match.group())
    base = 0x2460 if code >= 0x2460 else 0x2160
    return read_cardinal(str(code - base + 1))


def _say(text: str) -> Reading:
    return lambda match: text


_MATH = {
    "+": "加",
    "×": "乘",
    "*": "乘",
    "x": "乘",
    "X": "乘",
    "=": "等于",
    "<": "小于",
    ">": "大于",
}

URL = r"(?:(?:https?|ftp)://|www\.)[\w./?=&%#~+:-]*[\w/]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?<![\w.])(?:[A-Za-z0-9-]+\.)+(?:com|cn|org|net|gov|edu|io|info|top|hk|tw|us|uk)(?:/[\w./?=&%#~+-]*)?(?![\w])"

RULES: tuple[Rule, ...] = (
    rule(URL, _address, re.A),
    rule(r"(?<!\d)(\d{17}[\dXx]|\d{15})(?![\dA-Za-z])", _yao),
    rule(rf"{_ALONE}(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}})日?(?![\d.])", _date),
    rule(r"(?<!\d)(\d{4})[-/](0[1-9]|1[0-2])(?![\d/-])", _year_month),
    rule(rf"(?<!\d)(\d{{4}}){_TO}(\d{{4}})(?=(?:学?年)?)", _year_range),
    rule(r"(?<!\d)[12]\d{3}(?=\s?(?:年(?!历史|以[上内]|前)|年度|学年|级|届|版|款))", _year),
    rule(_HOUR + r"\s?([AaPp])?(?(4)\.?[Mm]\.?)", _time),
    rule(rf"(?<=[:：]\d\d){_TO}(?=\d{{1,2}}[:：]\d\d)", _say("到")),
    rule(r"(?<![\d.:])(\d+(?:\.\d+)?)[:：](\d+(?:\.\d+)?)(?![\d:])", _ratio),
    rule(
        r"(?:\+|(?<!\d)00)86[-\s]?(1[3-9]\d)[-\s]?(\d{4})[-\s]?(\d{4})(?!\d)",
        lambda m: "加八六，" + _grouped(*m.groups()),
    ),
    rule(
        r"(?:\+|(?<!\d)00)86[-\s]?(\d{2,3})[-\s]?(\d{3,4})[-\s]?(\d{4})(?!\d)",
        lambda m: "加八六，" + _grouped(*m.groups()),
    ),
    rule(
        r"(?<![\d.])(1[3-9]\d)([-\s]?)(\d{4})\2(\d{4})(?![\d.])",
        lambda m: _grouped(*m.group(1, 3, 4)),
    ),
    rule(
        r"(?<![\d.])([48]00)[-\s]?(\d{3})[-\s]?(\d{4})(?!\d)|(?<!\d)([48]00)[-\s](\d{4})[-\s](\d{3})(?!\d)",
        lambda m: _grouped(*m.groups()),
    ),
    rule(
        r"(?<![\d.])[(（]?(0\d{2,3})[)）]?[-\s]?(\d{4})[-\s]?(\d{3,4})(?:(?:-|转)(\d{1,5}))?(?!\d)",
        lambda m: _grouped(m.group(1), m.group(2) + m.group(3)) + (f"，转{read_digits(m.group(4), True)}" if m.group(4) else ""),
    ),
    rule(r"(?<![\d.,-])([2-8]\d{3})[-\s]?(\d{3,4})(?![\d.,-])", _local_phone),
    rule(
        r"(?<![\d.,A-Za-z$¥￥-])(?:10\d{3}|12\d{3}|9[56]\d{3,4}|1[12]\d)(?![\d]|[.,]\d|[A-Za-z])",
        _hotline,
    ),
    rule(
        r"([京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z])[·\s]?([A-Z\d]{5,6})(?![A-Za-z\d])",
        lambda m: m.group(1) + " " + re.sub(r"\d", lambda d: read_digits(d.group(), True), m.group(2)),
    ),
    rule(rf"([-−])?({_N})\s?(%)?(?:{_TO}({_N})\s?(?=[%‰]))?(?<![%])([%‰])", _percent),
    rule(rf"([-−])?({_N})\s?(%){_TO}({_N})\s?(%)", _percent),
    rule(rf"(?<![\d\w])([-−])?({_N})(?:\s?(?:℃|°C)?{_TO}([-−])?({_N}))?\s?(℃|°\s?C|℉|°\s?F)", _temperature, re.A),
    rule(rf"({_CURRENCY})\s?({_N})(?:{_TO}(?:{_CURRENCY})?\s?({_N}))?\s?(万亿|[万亿千百])?元?", _money),
    rule(rf"{_ALONE}({_N})\s?([万亿])?\s?(USD|EUR|GBP|HKD|JPY|RMB|CNY)(?![A-Za-z])", _money_behind),
    rule(r"(?<![\d/.])(\d+)/(\d+)(?![\d/]|\.\d)", _fraction),
    rule(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.]\d|\d)", _dotted),
    rule(r"(?<![\d-])(\d{3,4})(?=\s?(?:室|房间|房(?!子|产|价|租)|路(?:公交|车)?(?!\d)))", _room),
    rule(r"([GDCZTKY]\d{1,4})(?=次|列车|号?车)", lambda m: m.group()[0] + read_digits(m.group()[1:], True)),
    rule(r"(?<![A-Za-z\d-])\d+(?:-\d+){2,}(?![\d-])", lambda m: "杠".join(read_digits(p, True) if len(p) > 2 else read_cardinal(p) for p in m.group().split("-"))),
    rule(rf"(?<=\d)\s?(?:{_UNIT})(?![A-Za-z\d])", lambda m: UNITS[m.group().strip()]),
    rule(rf"{_ALONE}({_N}){_TO}({_N}){_END}(?![-–]\d)", _range),
    rule(r"(?<=\d)\s?[+×*xX=<>]\s?(?=[\d-])", lambda m: _MATH[m.group().strip()]),
    rule(r"(?<=[年月日号时分点%℃元度岁天万亿千百个条楼层级月])" + _TO + r"(?=[\d¥￥$])", _say("到")),
    rule(r"(?<![A-Za-z\d])([A-Za-z]+)[-\s]?(\d+(?:\.\d+)?)([A-Za-z]{0,3})(?![A-Za-z\d-]|\.\d)", _letters_digits),
    rule(r"(?<!\d,)(?<![A-Za-z\d.-])(\d+)([A-Za-z]+)(?![A-Za-z\d-])", _digits_letters),
    rule(r"(?<!\d[.,](?=\d))(?<![A-Za-z\d])[A-Za-z\d]+(?:\.\d+)?(?:-[A-Za-z\d]+(?:\.\d+)?)*(?![A-Za-z\d])", _mixed_code, re.A),
    rule(r"[<>](?=\d)", lambda m: _MATH[m.group()]),
    rule(r"(?<=[周期][一二三四五六日天])" + _TO + r"(?=[周星])", _say("到")),
    rule(r"(?<=[元块人次件斤米吨升份])/(?=[月年天日人次个平小户间件份斤吨米升㎡m])", _say("每")),
    rule(r"(?<=[\u4e00-\u9fff])/(?=[\u4e00-\u9fff])", _say("，")),
    rule(rf"(?<![\w)])([-−])({_N})", _number),
    rule(rf"(?<!\d)[-−]({_N})(?=度)", lambda m: "零下" + read_number(m.group(1))),
    rule(rf"()({_N})", _number),
    rule(r"(?<=[零一二三四五六七八九十])\+|\+(?=\d)|(?<=\d)\+", _say("加")),
    rule(r"[①-⑳Ⅰ-Ⅻ]", _circled),
    rule("[" + "".join(map(re.escape, SIGNS)) + "]", lambda m: SIGNS[m.group()]),
)  # fmt: skip
"""In order: what an earlier rule has read, a later one leaves alone."""
