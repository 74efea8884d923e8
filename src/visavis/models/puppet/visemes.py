"""What the mouth looks like for every sound that our voices write: a table.

Symbols are those of Kokoro's vocabulary (misaki's English alphabet, IPA for Mandarin); the same are
written by the English-only voice. Diphthong letters (A, I, O, Q, W, Y) go through two mouth shapes.

Sources: MPEG-4 face animation visemes (ISO/IEC 14496-2, annex C) and the fifteen-viseme reference of
Oculus LipSync for the classes; Edwards et al., "JALI" (SIGGRAPH 2016), section 4, for which sounds
must be kept whatever their neighbours (closures, lip-teeth contact, sibilants, rounding); Ladefoged
and Johnson, "A Course in Phonetics", and Duanmu, "The Phonology of Standard Chinese", for the
sounds. The amounts are ours, set so that an open vowel is about half of the jaw's range, as people
speak, not shout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from visavis.models.common.units import MOUTH_UNITS

Contact: TypeAlias = Literal["lips", "teeth"]

GROUPS: tuple[tuple[str, ...], ...] = (
    ("jawOpen",),
    ("mouthFunnel", "mouthPucker"),
    ("mouthStretch", "mouthSmile"),
    ("mouthLowerDown", "mouthUpperUp"),
    ("tongueUp",),
)
"""Channels that share a dominance: jaw, rounding, spreading, lips off the teeth, tongue."""


@dataclass(frozen=True, slots=True)
class Viseme:
    """A mouth shape.

    Attributes:
        targets: Amount of each of ``MOUTH_UNITS``, in [0, 1].
        dominance: How much the sound insists on its target, for each of ``GROUPS``; 1 is usual,
            0 takes whatever its neighbours want.
        contact: ``lips`` where they must meet, ``teeth`` where the lower lip must touch them.
        vowel: Whether loudness and length of the sound move the jaw.
    """

    targets: tuple[float, ...]
    dominance: tuple[float, float, float, float, float]
    contact: Contact | None = None
    vowel: bool = False


_SHORT = dict(
    zip(
        ("jaw", "close", "funnel", "pucker", "stretch", "smile", "roll_lower", "roll_upper",
         "press", "lower_down", "upper_up", "tongue"),
        MOUTH_UNITS,
        strict=True,
    )
)  # fmt: skip


def _viseme(
    dominance: tuple[float, float, float, float, float],
    contact: Contact | None = None,
    vowel: bool = False,
    **amounts: float,
) -> Viseme:
    named = {_SHORT[name]: amount for name, amount in amounts.items()}
    return Viseme(tuple(named.get(u, 0.0) for u in MOUTH_UNITS), dominance, contact, vowel)


def _vowel(dominance: tuple[float, float, float] = (1.4, 0.5, 0.5), **amounts: float) -> Viseme:
    jaw, rounding, spread = dominance
    return _viseme((jaw, rounding, spread, 0.7, 0.8), vowel=True, **amounts)


VISEMES: dict[str, Viseme] = {
    # Vowels, from open to close.
    "a": _vowel((1.7, 0.5, 0.5), jaw=0.50, lower_down=0.12, upper_up=0.06),  # father, 啊
    "ae": _vowel((1.5, 0.6, 0.7), jaw=0.43, stretch=0.22, lower_down=0.16, upper_up=0.10),  # cat
    "uh": _vowel(jaw=0.33, lower_down=0.10, upper_up=0.04),  # cup
    "e": _vowel((1.4, 0.7, 0.8), jaw=0.30, stretch=0.26, smile=0.08,
                lower_down=0.14, upper_up=0.08),  # bed, 姐
    "schwa": _vowel((0.6, 0.25, 0.25), jaw=0.20, lower_down=0.08),  # about
    "er": _vowel((0.9, 0.9, 0.5), jaw=0.21, funnel=0.24, lower_down=0.10),  # bird, 二
    "ih": _vowel((0.9, 0.7, 0.8), jaw=0.18, stretch=0.26, smile=0.10,
                 lower_down=0.12, upper_up=0.05),  # sit
    "ee": _vowel((1.0, 1.0, 1.2), jaw=0.12, stretch=0.42, smile=0.24,
                 lower_down=0.16, upper_up=0.08),  # see, 一
    "apical": _vowel((1.2, 0.8, 0.8), jaw=0.09, stretch=0.26, smile=0.08,
                     lower_down=0.18, upper_up=0.06),  # the vowel of 字 and 是
    "back": _vowel((1.0, 0.7, 0.5), jaw=0.26, stretch=0.12, lower_down=0.10),  # 鹅
    "aw": _vowel((1.4, 1.4, 0.9), jaw=0.38, funnel=0.40, pucker=0.06, lower_down=0.08),  # law
    "oh": _vowel((1.3, 1.6, 1.0), jaw=0.26, funnel=0.46, pucker=0.26, lower_down=0.06),  # 我
    "uu": _vowel((1.0, 1.6, 1.0), jaw=0.17, funnel=0.30, pucker=0.42),  # book, 东
    "oo": _vowel((1.0, 2.0, 1.2), jaw=0.11, funnel=0.22, pucker=0.72),  # food, 五
    "yu": _vowel((1.0, 2.0, 1.2), jaw=0.09, funnel=0.14, pucker=0.70),  # 鱼
    # Glides.
    "w": _viseme((0.9, 2.2, 1.2, 0.7, 0.5), jaw=0.09, funnel=0.12, pucker=0.80),
    "y": _viseme((0.7, 0.7, 0.9, 0.5, 0.5), jaw=0.11, stretch=0.34, smile=0.18, lower_down=0.12),
    "yw": _viseme((0.9, 2.0, 1.2, 0.7, 0.5), jaw=0.09, funnel=0.12, pucker=0.72),
    "r": _viseme((0.8, 1.2, 0.6, 0.5, 0.5), jaw=0.13, funnel=0.36, pucker=0.14, tongue=0.20),
    # Sounds made at the lips.
    "closed": _viseme((0.9, 0.15, 0.2, 0.3, 0.3), "lips", jaw=0.07,
                      press=0.26, roll_lower=0.16, roll_upper=0.16),  # m b p
    "teeth": _viseme((1.2, 0.35, 0.4, 0.5, 0.3), "teeth", jaw=0.09,
                     roll_lower=0.58, upper_up=0.28),  # f v
    "loose-lips": _viseme((0.9, 0.8, 0.5, 0.5, 0.3), jaw=0.08, funnel=0.16, press=0.05),  # ɸ β
    # Sibilants: teeth nearly shut, lips apart.
    "s": _viseme((1.6, 0.35, 0.7, 1.4, 0.6), jaw=0.05, stretch=0.22, smile=0.12,
                 lower_down=0.30, upper_up=0.14, tongue=0.15),
    "sh": _viseme((1.6, 1.3, 0.8, 1.2, 0.6), jaw=0.06, funnel=0.48, pucker=0.10,
                  lower_down=0.22, upper_up=0.14, tongue=0.15),  # ship, church
    "retroflex": _viseme((1.5, 0.8, 0.6, 1.2, 0.6), jaw=0.07, funnel=0.26,
                         lower_down=0.24, upper_up=0.10, tongue=0.25),  # 是 吃 知
    "palatal": _viseme((1.5, 0.8, 1.0, 1.2, 0.6), jaw=0.06, stretch=0.34, smile=0.18,
                       lower_down=0.24, upper_up=0.08, tongue=0.15),  # 西 七 九
    # Sounds of the tongue.
    "t": _viseme((1.0, 0.15, 0.3, 0.6, 1.6), jaw=0.09, stretch=0.06, lower_down=0.16,
                 upper_up=0.04, tongue=0.85),
    "n": _viseme((0.7, 0.12, 0.25, 0.5, 1.5), jaw=0.12, lower_down=0.12, tongue=0.80),
    "l": _viseme((0.6, 0.12, 0.25, 0.5, 1.8), jaw=0.17, lower_down=0.14, tongue=1.00),
    "th": _viseme((1.0, 0.20, 0.3, 0.9, 1.8), jaw=0.11, lower_down=0.16, upper_up=0.06,
                  tongue=0.90),
    "k": _viseme((0.35, 0.06, 0.1, 0.3, 0.5), jaw=0.17, lower_down=0.08),
    "h": _viseme((0.12, 0.03, 0.05, 0.1, 0.3), jaw=0.20, lower_down=0.06),
}  # fmt: skip
"""Mouth shapes by name, with a word that has each."""

SYMBOLS: dict[str, tuple[str, ...]] = {
    # Vowels.
    **dict.fromkeys("aɑɐ", ("a",)), "ʌ": ("uh",), "æ": ("ae",),
    **dict.fromkeys("eɛœø", ("e",)), **dict.fromkeys("əᵊ", ("schwa",)),
    **dict.fromkeys("ɜɚ", ("er",)), **dict.fromkeys("ɪᵻ", ("ih",)), "i": ("ee",),
    "ɨ": ("apical",), **dict.fromkeys("ɤɯ", ("back",)), **dict.fromkeys("ɔɒ", ("aw",)),
    "o": ("oh",),
    "ʊ": ("uu",), "u": ("oo",), "y": ("yu",),
    # Diphthongs of the English alphabet.
    "A": ("e", "ih"), "I": ("a", "ih"), "O": ("oh", "uu"), "Q": ("schwa", "uu"),
    "W": ("a", "uu"), "Y": ("aw", "ih"),
    # Glides.
    "w": ("w",), "j": ("y",), **dict.fromkeys("ɥᵝ", ("yw",)),
    **dict.fromkeys("ɹɻr", ("r",)),
    # Lips.
    **dict.fromkeys("mbp", ("closed",)), **dict.fromkeys("fvʋ", ("teeth",)),
    **dict.fromkeys("ɸβ", ("loose-lips",)),
    # Sibilants.
    **dict.fromkeys("szʦʣ", ("s",)), **dict.fromkeys("ʃʒʧʤS", ("sh",)),
    **dict.fromkeys("ʂꭧ", ("retroflex",)), **dict.fromkeys("ɕʑʨʥç", ("palatal",)),
    # Tongue.
    **dict.fromkeys("tdɾTʈɖɽ", ("t",)), **dict.fromkeys("nɳɲ", ("n",)), **dict.fromkeys("lʎ", ("l",)),
    **dict.fromkeys("θð", ("th",)),
    **dict.fromkeys("kɡgŋɴqxɣχʁɰcɟʝ", ("k",)), **dict.fromkeys("hʔʰ", ("h",)),
}  # fmt: skip
"""The mouth shapes that each symbol of a voice's alphabet goes through."""

STRESS: dict[str, float] = {"ˈ": 1.12, "ˌ": 1.04}
"""Marks before a vowel, and what they do to its jaw."""
LENGTHENERS: frozenset[str] = frozenset("ː→↗↘↓ʲ\u0303\u032f\u0329")
"""Length, tone and secondary signs: their time belongs to the sound before them."""
PAUSES: frozenset[str] = frozenset(' ;:,.!?—…"()“”')
"""Nothing is said; whether the mouth shuts depends on how long that lasts."""

DIPHTHONG_SPLIT = 0.6
"""Share of a diphthong that is its first shape."""
