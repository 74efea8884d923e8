"""Writes a plan for folders of videos, to be edited."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from visavis.apps.mos.plan import QUESTIONS, Kind, list_videos
from visavis.core.errors import InputError


def compose_plan(
    folders: Mapping[str, Path], home: Path, kind: Kind, title: str
) -> tuple[str, list[str]]:
    """Write a plan for folders whose videos have the same names.

    Args:
        folders: Of each system, by name.
        home: The folder that the plan will be in; paths are written from there where they can be.
        kind: Of trials.
        title: Shown to raters.

    Returns:
        The TOML, and the items left out because not every folder has them.

    Raises:
        InputError: A folder is missing or empty, or they have nothing in common.
    """
    found = {name: set(list_videos(folder)) for name, folder in folders.items()}
    everywhere = set.intersection(*found.values())
    left_out = sorted(set.union(*found.values()) - everywhere)
    if not everywhere:
        raise InputError("the folders have no video of the same name; name them alike")
    question = QUESTIONS[kind]
    lines = [f"title = {_quote(title)}", f"kind = {_quote(kind)}"]
    if left_out:
        lines.append(f"items = [{', '.join(map(_quote, sorted(everywhere)))}]")
    lines += ["seed = 0", "# trials = 24", "# misses = 0", ""]
    lines += ["[[questions]]", f"en = {_quote(question[0])}", f"zh = {_quote(question[1])}", ""]
    lines += ["[systems]"]
    home = home.resolve()
    for name, folder in folders.items():
        place = folder.resolve()
        shown = place.relative_to(home) if place.is_relative_to(home) else place
        lines.append(f"{_quote(name)} = {_quote(str(shown))}")
    lines += ["", "# Trials whose answer is known; who misses one is told apart in the report."]
    lines += (
        ["# [[catches]]", '# video = "frozen.mp4"', "# expected = [1, 2]"]
        if kind == "scores"
        else ["# [[catches]]", '# better = "real.mp4"', '# worse = "frozen.mp4"']
    )
    return "\n".join(lines) + "\n", left_out


def _quote(text: str) -> str:
    # A JSON string is a TOML string, but for DEL, which JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
