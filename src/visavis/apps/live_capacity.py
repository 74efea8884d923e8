"""How many sessions fit a machine: `visavis bench live --until-worse`.

Listeners come in, one more at each step, and all of them talk at the same time, until one of the
things that they would notice is worse than it may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from visavis.apps.live_benchmark import (
    measure_listeners,
    serve_answers,
    speak_questions,
)
from visavis.core.errors import StageError

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast

MOST = 64
"""Sessions after which no more are tried."""
Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is still good. Each is of the listener who has it worst.

    Attributes:
        late_share: Of the pictures, that came more than one frame later than usual; 0..1.
        without_sound: Of the ticks, that had no sound in the middle of an answer; 0..1.
        fps: Pictures a second that came.
        slower: Times as late as alone that the first sound may be, at the median.
    """

    late_share: float = 0.01
    without_sound: float = 0.01
    fps: float = 24.5
    slower: float = 2.0


BOUNDS = Bounds()
_SOUNDS = {
    "spoken_to_sound": "the first sound after a spoken question",
    "typed_to_sound": "the first sound after a typed question",
}


def find_faults(figures: Figures, alone: Figures, bounds: Bounds = BOUNDS) -> list[str]:
    """Say in words what is worse than it may be; nothing where all is good.

    Args:
        figures: Of some listeners at the same time, as ``measure_listeners`` gives them.
        alone: Of one.
        bounds: What is still good.
    """
    faults = []
    if (late := figures["late_share"]) > bounds.late_share:
        faults.append(f"{late:.1%} of the pictures come late (at most {bounds.late_share:.0%})")
    if (silent := figures["without_sound"]) > bounds.without_sound:
        faults.append(f"the sound is missing in {silent:.1%} (at most {bounds.without_sound:.0%})")
    if (fps := figures["fps"]) < bounds.fps:
        faults.append(f"{fps:.1f} pictures a second come (at least {bounds.fps:g})")
    for name, words in _SOUNDS.items():
        if name not in alone:
            continue
        was = alone[name]["p50"]
        if name not in figures:
            faults.append(f"{words} never comes")
        elif (now := figures[name]["p50"]) >= bounds.slower * was:
            faults.append(f"{words} comes after {now:.2f} s (alone {was:.2f})")
    return faults


def add_sessions(measure: Callable[[int], Figures], most: int = MOST) -> dict[str, Any]:
    """Measure one listener, two, and so on, until quality falls.

    Args:
        measure: Gives the figures of so many listeners at the same time.
        most: Listeners after which no more are tried.

    Returns:
        ``fit``, the last number with which all was good, 0 where one was too many; ``steps``, each
        with ``sessions``, ``figures`` (None where they could not be taken) and ``faults``.

    Raises:
        StageError: Not even one could be measured.
    """
    steps: list[dict[str, Any]] = []
    fit = 0
    for sessions in range(1, most + 1):
        figures = _try(measure, sessions)
        if isinstance(figures, StageError):
            if not steps:
                raise figures
            steps.append({"sessions": sessions, "figures": None, "faults": [str(figures)]})
            break
        faults = find_faults(figures, steps[0]["figures"] if steps else figures)
        steps.append({"sessions": sessions, "figures": dict(figures), "faults": faults})
        if faults:
            break
        fit = sessions
    return {"fit": fit, "steps": steps}


def _try(measure: Callable[[int], Figures], sessions: int) -> Figures | StageError:
    try:
        return measure(sessions)
    except StageError as error:
        return error
    except ExceptionGroup as group:  # of the listeners' tasks
        failed, other = group.split(StageError)
        if failed is None or other is not None:
            raise
        return _first_of(failed)


def _first_of(group: ExceptionGroup[StageError]) -> StageError:
    found = group.exceptions[0]
    return _first_of(found) if isinstance(found, ExceptionGroup) else found


def conclude(report: Mapping[str, Any]) -> str:
    """Say in a sentence how many fit, and why not one more."""
    fit, last = report["fit"], report["steps"][-1]
    fits = f"{fit or 'none'} fit{'s' if fit == 1 else ''}"
    if not last["faults"]:
        return f"{fits}; more were not tried"
    return f"{fits}; {last['sessions']} {'does' if fit == 0 else 'do'} not, because " + "; ".join(
        last["faults"]
    )


def bench_until_worse(
    cast: Cast,
    turns: int,
    tell: Callable[[str], None] = lambda line: None,
    *,
    known: bool = False,
) -> dict[str, Any]:
    """Find out how many sessions fit this machine.

    Args:
        cast: Makes the spoken questions.
        turns: Rounds of each listener at each step.
        tell: Called with a line on each step.
        known: Whether every answer was spoken before, as those of a base are ahead of time.

    Returns:
        ``machine``, ``known``, and what ``add_sessions`` gives; plain JSON values.

    Raises:
        StageError: The server did not start, or one listener could not be measured.
    """
    from visavis.apps.benchmarking import describe_machine

    machine = describe_machine()
    speech = asyncio.run(speak_questions(cast))
    with serve_answers(MOST, known, tell) as (url, token, pid):

        def measure(sessions: int) -> Figures:
            tell(f"{sessions} at the same time")
            return asyncio.run(
                measure_listeners(url, token, pid, speech, turns, sessions, 0.0, tell)
            )

        found = add_sessions(measure)
    return {"machine": machine, "known": known, **found}
