"""Which clips show the same person, by vectors of their faces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from visavis.core.types import Floats

SAME = 0.5
"""Product of a face's vector with the mean of a person's from which it is that person. In 37 people
of broadcasts, 99 % of pairs of one person are above 0.55 and 99 % of pairs of two below 0.45."""


def group_faces(faces: Mapping[str, Floats], known: Mapping[str, str]) -> dict[str, str]:
    """Give each clip a person.

    Args:
        faces: Vectors of length 1 by clip.
        known: Person by clip, for clips that have one already; it stays.

    Returns:
        Person by clip, for all of ``faces``; new ones are called ``person001`` and so on.
    """
    sums: dict[str, Floats] = {}
    for clip in sorted(faces):
        if clip in known:
            sums[known[clip]] = sums.get(known[clip], np.zeros_like(faces[clip])) + faces[clip]
    old = set(sums)
    groups: list[list[str]] = []
    means: list[Floats] = []
    for clip in sorted(set(faces) - set(known)):
        found = _nearest(faces[clip], means)
        if found is None:
            groups.append([clip])
            means.append(faces[clip].copy())
        else:
            groups[found].append(clip)
            means[found] = means[found] + faces[clip]
    people = {clip: known[clip] for clip in faces if clip in known}
    number = 0
    # The largest first: what is said of it is surest, and others of the same person join it.
    for i in sorted(range(len(groups)), key=lambda i: (-len(groups[i]), groups[i][0])):
        names = list(sums)
        found = _nearest(means[i], list(sums.values()))
        if found is None:
            number = _next_number(number, old)
            name = f"person{number:03d}"
            sums[name] = means[i]
        else:
            name = names[found]
            sums[name] = sums[name] + means[i]
        people.update(dict.fromkeys(groups[i], name))
    return people


def _nearest(face: Floats, means: list[Floats]) -> int | None:
    """Which of the sums of vectors a vector is like, if any."""
    if not means:
        return None
    matrix = np.stack(means)
    matrix = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)
    likeness = matrix @ (face / max(float(np.linalg.norm(face)), 1e-9))
    best = int(np.argmax(likeness))
    return best if likeness[best] >= SAME else None


def _next_number(number: int, taken: set[str]) -> int:
    number += 1
    while f"person{number:03d}" in taken:
        number += 1
    return number
