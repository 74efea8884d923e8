"""Bytes to text, where the file does not say how it is encoded.

Each encoding is tried strictly, and the readings that decode are compared by how likely their
characters are in Chinese and English text: a sum over characters of rough log-odds (in nats) of
"written so" against "bytes of something else". Nothing is replaced or left out on the way.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from visavis.core.errors import FileUnreadable

MAX_FILE_BYTES = 128 << 20
"""A file of 200,000 pairs of some length has about 100 MB."""
_SAMPLE_BYTES = 64 << 10
"""What readings are compared on; more of it would not change the verdict."""
_MARGIN = 6.0
"""Nats. Closer than that, two readings are about as plausible (400 : 1 is told, more is not)."""
_MOST_CONTROLS = 0.05
"""Share of control characters above which a file is no text."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
# Windows' Big5 before the Hong Kong one: the first is what spreadsheets write.
_BYTE_WISE = ("utf-8", "gb18030", "cp950", "big5hkscs")
_WIDE = ("utf-16-le", "utf-16-be")
NAMES = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    "gb18030": "GB18030",
    "cp950": "Big5",
    "big5hkscs": "Big5-HKSCS",
}
"""How the encodings are called in messages and in ``Decoded.encoding``."""

# The most frequent characters of jieba's word list (about 73 % of running text), and what is
# written for them in traditional Chinese.
_SIMPLIFIED = (
    "一是人了不在有大中国和为这上他个地年来我会以到时要出的生学说道民家子也成行下们于后就发自之"
    "对得主长可过天作分方用多你着部能市等业全里工公经本都而高政法面门动日进区事代那去心小同北定"
    "开产前其军还然起种所如现理机体表力好外与文当两实重新三么只山水关明从化平建又制南内西没此将"
    "员名手最东头者月间无安看见各城十相但已些正口通想度加第她合院物性战由位常点海意场武使次二向"
    "治因立数样身情入原问把路被并利石老教万知级量任江及应省资委务元美特期世湖回系比气汉总展电科"
    "金先声提品设或义王社很统处四首共马形己儿司太目基领队直计别女权话少流命至报米给打变果书清活"
    "几州华解议更称程今决张导术府才保交放管结师便走达族反再题色五京河接条规式县白它改风光运信受"
    "什组听布百济党指论强做取技黄神选记斯真却职号界件花类何眼兵传带空干农边据集联古广完质阳难增"
    "历史专官每住商即步认车台林必死游举线言皇土团收考求德叫近备研争非具李众连调感转笑革该持始英"
    "克士尔让拉思根格造较际亲单朝红型价校约器字段周亚深候则功属积快图火千准究往极育装许参半令吃"
    "观鱼精办像帝八复影告远群包整构料随划算象容示投势热值夫网望源息语股铁断派速怎需片爱律纪支早"
    "况病境证编您吗呢吧谢请哪谁申材费填写户籍卡店购款退货班课医"
)
_TRADITIONAL = (
    "國爲這個來會時學說們於後發對長過業裏經門動進區開產軍還種現機體與當兩實麼關從內沒將員東頭間"
    "無見戰點場數樣問並萬級應資務氣漢總電聲設義統處馬兒領隊計別權話報給變書幾華議稱決張導術結師"
    "達題條規縣風運組聽濟黨論強黃選記卻職號類傳帶幹農邊據聯廣質陽難歷專認車臺遊舉線團備爭衆連調"
    "轉該爾讓較際親單紅價約亞則屬積圖準極裝許參喫觀魚辦復遠羣構隨劃勢熱網語鐵斷愛紀況證編嗎謝請"
    "誰費寫戶購貨課醫裡為著灣"
)
_MARKS = "，。？！；：、（）《》“”‘’【】「」—…·～　％￥"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's text.

    Attributes:
        text: Without byte-order mark.
        encoding: As it is commonly called, such as ``GB18030``.
        note: What to tell where another encoding is about as plausible; else empty.
    """

    text: str
    encoding: str
    note: str = ""


def read_bytes(path: Path) -> bytes:
    """Read a whole regular file of sane size that holds something.

    Raises:
        FileUnreadable: It is missing, a folder, a device, forbidden, empty or too large.
    """
    try:
        if path.is_dir():
            raise FileUnreadable(f"{path} is a folder; give a file")
        if path.exists() and not path.is_file():
            raise FileUnreadable(f"{path} is a device or a pipe; give a file")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileUnreadable(f"{path} cannot be read: {reason}; give a readable file") from error
    except ValueError as error:  # a NUL in the name
        raise FileUnreadable(f"{str(path)!r} is no name of a file; give another") from error
    if len(content) > MAX_FILE_BYTES:
        raise FileUnreadable(f"{path} has more than {MAX_FILE_BYTES >> 20} MB; split the file")
    if not content.strip(b"\0\t\n\r \xef\xbb\xbf\xfe\xff"):
        raise FileUnreadable(f"{path} is empty; write question-answer pairs into it")
    return content


def decode_text(content: bytes, path: Path) -> Decoded:
    """Find the encoding of a text by its content.

    Args:
        content: The whole file.
        path: For messages.

    Raises:
        FileUnreadable: It is no text, or none of UTF-8, UTF-16, GB18030 and Big5.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decode_marked(content[len(mark) :], encoding, path)
    # Some programs close a text with the end-of-file mark of DOS.
    content = content.removesuffix(b"\x1a")
    readings = [
        (score, encoding)
        for encoding, sample in _cut_samples(content)
        if (score := _score(sample, encoding)) is not None
    ]
    readings.sort(key=lambda reading: -reading[0])
    usable: list[tuple[float, str, str]] = []
    for score, encoding in readings:
        text = _decode(content, encoding)
        # Equal text under two names is no doubt: the Hong Kong Big5 contains the other one.
        if text is not None and all(text != other for _, _, other in usable):
            usable.append((score, encoding, text))
        if len(usable) == 2:
            break
    if not usable:
        raise FileUnreadable(
            f"{path} is not text in UTF-8, UTF-16, GB18030 or Big5; save it as UTF-8"
        )
    best, encoding, text = usable[0]
    _refuse_binary(text, path)
    if len(usable) == 2 and best - usable[1][0] < _MARGIN:
        other = usable[1][1]
        note = (
            f"the file was read as {NAMES[encoding]}, and {NAMES[other]} is about as plausible; "
            "if characters look wrong, save it as UTF-8"
        )
        return Decoded(text, NAMES[encoding], note)
    if best < 0:
        note = (
            f"the file was read as {NAMES[encoding]} and has many rare characters; "
            "if they look wrong, save it as UTF-8"
        )
        return Decoded(text, NAMES[encoding], note)
    return Decoded(text, NAMES[encoding])


def _decode_marked(content: bytes, encoding: str, path: Path) -> Decoded:
    text = _decode(content, encoding)
    if text is None:
        raise FileUnreadable(
            f"{path} says that it is {NAMES[encoding]} and is not throughout; save it as UTF-8"
        )
    _refuse_binary(text, path)
    return Decoded(text, NAMES[encoding])


def _decode(content: bytes, encoding: str) -> str | None:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return text.removeprefix("\ufeff")


def _refuse_binary(text: str, path: Path) -> None:
    head = text[:_SAMPLE_BYTES]
    controls = sum(_is_control(ord(char)) for char in head)
    if controls > _MOST_CONTROLS * len(head):
        raise FileUnreadable(
            f"{path} is not text ({controls} control characters in its first {len(head):,}); "
            "give CSV, TSV, XLSX, JSON, JSON Lines or Markdown"
        )


def _cut_samples(content: bytes) -> Iterable[tuple[str, bytes]]:
    """Yield each encoding that may be meant, with the part of the file to compare readings on."""
    head = content[:_SAMPLE_BYTES]
    # Bytes below 128 without a zero among them are ASCII.
    if (b"\0" in head or not content.isascii()) and len(content) % 2 == 0:
        for encoding in _WIDE:
            yield encoding, head
    rest = head if b"\0" in head or content.isascii() else _gather_foreign_lines(content)
    for encoding in _BYTE_WISE:
        yield encoding, rest
        if rest.isascii():
            return  # all of them read it alike


def _gather_foreign_lines(content: bytes) -> bytes:
    """Join lines with bytes above 127; a line break is never part of another character here."""
    lines: list[bytes] = []
    size = 0
    for line in content.splitlines():
        if not line.isascii():
            lines.append(line)
            size += len(line)
            if size > _SAMPLE_BYTES:
                break
    return b"\n".join(lines)[: 4 * _SAMPLE_BYTES]


def _score(sample: bytes, encoding: str) -> float | None:
    """Return the log-odds of a reading, or none where the bytes do not decode."""
    try:
        text = codecs.getincrementaldecoder(encoding)("strict").decode(sample, final=False)
    except UnicodeDecodeError:
        return None
    weights = _weigh_characters()
    score = sum(weights.get(char) or _weigh(char) for char in text)
    if encoding == "utf-8":
        # That bytes of another encoding form valid UTF-8 happens about once in eleven for two
        # bytes, and much more seldom for three.
        score += sum(2.4 if ord(c) < 0x800 else 5.0 for c in text if ord(c) > 0x7F)
    if encoding in _WIDE:
        score += sum(0.5 if " " <= c <= "~" else 0.0 for c in text)
        return score if score > 0 else None
    if text and score / max(1, sum(ord(c) > 0x7F for c in text)) < -1.5:
        return None
    return score


@lru_cache(maxsize=1)
def _weigh_characters() -> dict[str, float]:
    """Weights of characters by what standards call frequent."""
    weights: dict[str, float] = {}
    for codec, first, last in (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6)):
        for lead in range(first, last + 1):
            for trail in range(0x40, 0xFF):
                char = bytes((lead, trail)).decode(codec, "ignore")
                if len(char) == 1 and "\u4e00" <= char <= "\u9fff":
                    weights[char] = 0.5
    weights.update(dict.fromkeys(_SIMPLIFIED + _TRADITIONAL + _MARKS, 3.0))
    return weights


def _weigh(char: str) -> float:
    code = ord(char)
    if 0x20 <= code < 0x7F or char in "\t\n\r":
        return 0.0
    if _is_control(code):
        return -8.0
    if 0xE000 <= code < 0xF900 or code >= 0xF0000 or code in (0xFFFE, 0xFFFF):
        return -10.0
    if 0x4E00 <= code < 0xA000:
        return -2.0
    if 0xFF01 <= code < 0xFF5F or 0x1F300 <= code < 0x1FB00 or 0x2000 <= code < 0x2800:
        return 0.0
    if 0xA0 <= code < 0x180:
        return -0.5
    return -2.5


def _is_control(code: int) -> bool:
    return (code < 0x20 and code not in (9, 10, 11, 12, 13)) or 0x7F <= code < 0xA0
