"""A study of opinions in a folder, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from visavis.core.types import Segment, VideoFrame, Waveform
from visavis.media.video import VideoWriter

SYSTEMS = ("zetanet", "omeganet", "kappanet")
ITEMS = ("parrot", "lantern", "harbour", "meadow")
CATCH = "[[catches]]\nvideo = 'frozenface.mp4'\nexpected = [1, 2]"
CATCH_PAIR = "[[catches]]\nbetter = 'fineface.mp4'\nworse = 'frozenface.mp4'"


def write_study(folder: Path, head: str = "", tail: str = "") -> Path:
    """Write a plan, and files that are told apart by what is in them."""
    for system in SYSTEMS:
        (folder / system).mkdir(parents=True, exist_ok=True)
        for item in ITEMS:
            content = f"{SYSTEMS.index(system)}{ITEMS.index(item)}" * 500
            (folder / system / f"{item}.mp4").write_text(content)
    (folder / "frozenface.mp4").write_text("x" * 1000)
    (folder / "fineface.mp4").write_text("y" * 1000)
    systems = "\n".join(f"{system} = '{system}'" for system in SYSTEMS)
    path = folder / "plan.toml"
    path.write_text(f"title = 'Faces'\n{head}\n[systems]\n{systems}\n{tail}\n")
    return path


def write_films(folder: Path) -> Path:
    """Write a plan with real videos, whose systems differ in size and length."""
    for system, side, length in (("zetanet", 32, 10), ("omeganet", 64, 20)):
        (folder / system).mkdir()
        path = folder / system / "parrot.mp4"
        with VideoWriter(path, metadata={"title": "made by Zetanet"}) as writer:
            image = np.full((side, side, 3), 90, np.uint8)
            frames = tuple(VideoFrame(image, i) for i in range(length))
            sound = Waveform(np.zeros(960 * length, np.float32), 24000)
            writer.write(Segment(0, sound, frames))
    path = folder / "plan.toml"
    path.write_text("[systems]\nzetanet = 'zetanet'\nomeganet = 'omeganet'")
    return folder
