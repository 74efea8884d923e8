"""Pairs and vectors for tests of the store."""

from __future__ import annotations

from datetime import date

import numpy as np

from visavis.core.types import Floats, Language
from visavis.knowledge.base import Attachment, Pair

FULL = Pair(
    id="passport.renew-1",
    question="护照快到期了，怎么换新的？ \"quoted\" 'single' \\ % _ ; -- 😀 𠀀",
    answer="带上旧护照和身份证。\n第二行\tTab “引号” NULL",
    language="zh",
    topic="出入境",
    aliases=("换护照", "护照更新\u200b", "'); DROP TABLE kb_entries; --"),
    source="《出入境管理法》第十条",
    sample=True,
    emotion="happy",
    intensity=0.7123456789012345,
    valid_from=date(2026, 1, 31),
    valid_to=date(2027, 12, 31),
    attachments=(
        Attachment("link", "https://example.org/护照?a=1&b=2", "网上预约"),
        Attachment("phone", "12345"),
        Attachment("office", "人民路 1 号", "大厅"),
    ),
)
GAP = Pair("tax-refund", "Can I get a tax refund here?", "", "en", aliases=("tax refund",))


def pair(number: int, answer: str = "", language: Language = "en") -> Pair:
    return Pair(f"p{number}", f"question {number}", answer or f"answer {number}", language)


def unit(rows: Floats) -> Floats:
    out: Floats = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
    return out


def clustered(count: int, size: int, seed: int = 0) -> Floats:
    """Rows of length 1 around count / 20 centres, as sentences lie around subjects."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(max(count // 20, 1), size))
    rows = centres[random.integers(0, len(centres), count)] + 0.6 * random.normal(
        size=(count, size)
    )
    return unit(rows.astype(np.float32))
