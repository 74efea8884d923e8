"""What teaches the expert: vectors of lips and of sound that belong together meet, others part.

The cross-entropy of the cosine is Wav2Lip's (Prajwal et al., ACM MM 2020, section 3.2; both its
terms). Beside it, the right sound is chosen among all others of the clip and the right lips among all
other lips, after Chung et al., "Perfect match" (ICASSP 2019), in the symmetric form of CLIP.

Shapes: F windows of picture, M windows of sound, D the length of a vector, all of length 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Across: TypeAlias = Literal["none", "person", "all"]
"""Whether the sound of other clips is a negative, too: of none, of the same person, of all."""

_EDGE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Which window of picture and of sound make a pair.

    Attributes:
        positive: bool (F, M), the same frames.
        negative: bool (F, M). Neither: too near to be told apart, or not to be compared.
    """

    positive: Tensor
    negative: Tensor


def find_pairs(
    seen: Tensor, heard: Tensor, clips: Tensor, people: Tensor, *, nearest: int, across: Across
) -> Pairs:
    """Pair all windows of a batch.

    Args:
        seen: (K, W) frames with which windows of picture begin.
        heard: (K, A) the same of sound.
        clips: (K,) numbers.
        people: (K,) numbers.
        nearest: Fewest frames between a picture and a sound of one clip that do not belong together.
        across: See `Across`.
    """
    face_clip = clips[:, None].expand_as(seen).reshape(-1, 1)
    sound_clip = clips[:, None].expand_as(heard).reshape(1, -1)
    same = face_clip == sound_clip
    apart = (seen.reshape(-1, 1) - heard.reshape(1, -1)).abs()
    positive = same & (apart == 0)
    negative = same & (apart >= nearest)
    if across == "all":
        negative = negative | ~same
    elif across == "person":
        face_person = people[:, None].expand_as(seen).reshape(-1, 1)
        sound_person = people[:, None].expand_as(heard).reshape(1, -1)
        negative = negative | (~same & (face_person == sound_person))
    return Pairs(positive, negative)


def cosine_cross_entropy(cosines: Tensor, pairs: Pairs) -> Tensor:
    """Binary cross-entropy of cosines in [0, 1], positives and negatives with equal weight.

    0.693 is what cosines of a half give: nothing learnt.
    """
    # Kept off 0 and 1 by scaling, not by a clamp, which would have no gradient just where vectors
    # that all coincide must come apart.
    likely = _EDGE + (1 - 2 * _EDGE) * cosines
    positive = -_mean(likely.log(), pairs.positive)
    negative = -_mean((1 - likely).log(), pairs.negative)
    return (positive + negative) / 2


def choice_cross_entropy(cosines: Tensor, pairs: Pairs, scale: Tensor | float) -> Tensor:
    """Cross-entropy of choosing the right sound for each picture and the right picture for each sound.

    Args:
        cosines: (F, M).
        pairs: What competes: a window's positives with its negatives.
        scale: One over the temperature.
    """
    logits = cosines * scale
    return (
        _choose(logits, pairs) + _choose(logits.T, Pairs(pairs.positive.T, pairs.negative.T))
    ) / 2


def choice_accuracy(cosines: Tensor, pairs: Pairs) -> Tensor:
    """Share of the pictures whose own sound is nearer than every other that competes."""
    none = torch.full_like(cosines, -torch.inf)
    best = torch.where(pairs.positive, cosines, none).amax(1)
    other = torch.where(pairs.negative, cosines, none).amax(1)
    return (best > other).float().mean()


def _choose(logits: Tensor, pairs: Pairs) -> Tensor:
    """Rows choose among columns; rows without a right one, or without a wrong one, do not count."""
    none = torch.full_like(logits, -torch.inf)
    counts = pairs.positive.any(1) & pairs.negative.any(1)
    right = torch.where(pairs.positive, logits, none)[counts]
    wrong = torch.where(pairs.negative, logits, none)[counts]
    # A window that was repeated has its positive twice; the nearest of them is the right one.
    right = right.amax(1)
    return (torch.logsumexp(torch.cat([right[:, None], wrong], 1), 1) - right).mean()


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)
