"""Which trials a rater gets, on which side and in which order: seeded, and balanced over raters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from visavis.apps.mos.plan import BETTER, WORSE, Plan


@dataclass(frozen=True, slots=True)
class Trial:
    """What is shown at once.

    Attributes:
        item: Of which; empty for a catch.
        first: The system on the first side, or the only one.
        second: The system on the second side; empty where one video is shown.
        catch: Number of the catch in the plan, or None.
    """

    item: str
    first: str
    second: str = ""
    catch: int | None = None

    @property
    def turned(self) -> Trial:
        """The same with the sides exchanged."""
        return Trial(self.item, self.second, self.first, self.catch)

    @property
    def sides(self) -> int:
        """How many videos are shown."""
        return 2 if self.second else 1


def list_trials(plan: Plan) -> list[Trial]:
    """All that can be asked, without catches; of pairs in one order only."""
    if plan.kind == "scores":
        return [Trial(item, system) for item in plan.items for system in plan.systems]
    return [Trial(item, a, b) for item in plan.items for a, b in combinations(plan.systems, 2)]


def deal(plan: Plan, dealt: Mapping[Trial, int], rater: int) -> list[Trial]:
    """Choose and order the trials of one more rater.

    Whatever others got least comes first; among those the systems and items that this rater has
    least. Of a pair, each system is as often on the first side. No item comes twice in a row where
    that can be helped, and no catch is the first.

    Args:
        plan: The study.
        dealt: How often each trial was given before; each side of a pair for itself.
        rater: The rater's number, which with the plan's seed is the seed.
    """
    rng = np.random.default_rng([plan.seed, rater])
    left = list_trials(plan)
    chance = dict(zip(left, rng.random(len(left)), strict=True))
    given = {trial: _given(trial, dealt) for trial in left}
    own: Counter[str] = Counter()
    chosen = []
    for _ in range(plan.trials):
        trial = min(
            left,
            key=lambda t: (
                given[t],
                own[f"system {t.first}"] + own[f"system {t.second}"],
                own[f"item {t.item}"],
                chance[t],
            ),
        )
        left.remove(trial)
        for what in (f"item {trial.item}", f"system {trial.first}", f"system {trial.second}"):
            own[what] += 1
        chosen.append(_choose_side(trial, dealt, rng))
    ordered = _spread([chosen[i] for i in rng.permutation(len(chosen))])
    catches = [_make_catch(plan, number, rng) for number in rng.permutation(len(plan.catches))]
    places = np.sort(rng.integers(1, len(ordered) + 1, size=len(catches)))
    for shift, (place, catch) in enumerate(zip(places, catches, strict=True)):
        ordered.insert(int(place) + shift, catch)
    return ordered


def _given(trial: Trial, dealt: Mapping[Trial, int]) -> int:
    return dealt.get(trial, 0) + (dealt.get(trial.turned, 0) if trial.second else 0)


def _choose_side(trial: Trial, dealt: Mapping[Trial, int], rng: np.random.Generator) -> Trial:
    if not trial.second:
        return trial
    so, turned = dealt.get(trial, 0), dealt.get(trial.turned, 0)
    if so == turned:
        return trial if rng.random() < 0.5 else trial.turned
    return trial if so < turned else trial.turned


def _make_catch(plan: Plan, number: int, rng: np.random.Generator) -> Trial:
    if plan.kind == "scores":
        return Trial("", "catch", catch=int(number))
    trial = Trial("", BETTER, WORSE, int(number))
    return trial if rng.random() < 0.5 else trial.turned


def _spread(trials: list[Trial]) -> list[Trial]:
    """Exchange trials so that neighbours are of different items, where others are left."""
    for i in range(1, len(trials)):
        if trials[i].item != trials[i - 1].item:
            continue
        for k in [*range(i + 1, len(trials)), *range(i - 1)]:
            before = {trials[j].item for j in (k - 1, k + 1) if 0 <= j < len(trials) and j != i}
            around = {trials[j].item for j in (i - 1, i + 1) if 0 <= j < len(trials) and j != k}
            if trials[k].item not in around and trials[i].item not in before:
                trials[i], trials[k] = trials[k], trials[i]
                break
    return trials
