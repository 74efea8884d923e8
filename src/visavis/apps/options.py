"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

EMOTIONS = (
    "angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised",
)  # fmt: skip
POSES = ("still", "natural", "lively")


def cast_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add who speaks and how, and hand it over as one ``cast``."""

    @click.option("--avatar", default="", help="A stored avatar's name, a picture or a video.")
    @click.option("--voice", default="", help="A voice's name; see `visavis voices`.")
    @click.option("--emotion", type=click.Choice(EMOTIONS), help="Of every sentence.")
    @click.option("--intensity", type=click.FloatRange(0, 1), help="Of the emotion.")
    @click.option(
        "--pose", type=click.Choice(POSES), default="natural", help="How the head moves of itself."
    )
    @click.option("--animator", help="What shows the face; see `visavis stages`.")
    @click.option(
        "--weights",
        help="What the animator wav2lip draws with: 96, 192, 384 or a folder; or what the puppet hears a"
        " mouth by: real (for research only) or an .onnx file.",
    )
    @click.option("--size", type=click.IntRange(128, 2160), help="Shorter side, pixels.")
    @click.option("--seed", type=click.IntRange(0), help="Of the head's own motion.")
    @click.option("--label/--no-label", default=None, help='The visible "AI generated".')
    @click.option("--label-text", help="What the label says.")
    @functools.wraps(function)
    def wrapped(
        *args: Any,
        avatar: str,
        voice: str,
        emotion: Any,
        intensity: float | None,
        pose: Any,
        animator: str | None,
        weights: str | None,
        size: int | None,
        seed: int | None,
        label: bool | None,
        label_text: str | None,
        **rest: Any,
    ) -> Any:
        from visavis.apps.assemble import Cast
        from visavis.apps.settings import load_settings

        given: dict[str, Any] = {
            "animator": animator,
            "weights": weights,
            "size": size,
            "seed": seed,
            "label": label,
            "label_text": label_text,
        }
        settings = replace(load_settings(), **{k: v for k, v in given.items() if v is not None})
        cast = Cast(settings, avatar, voice, emotion, intensity, pose)
        return function(*args, cast=cast, **rest)

    return wrapped


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add where the video goes."""
    output = click.option(
        "-o", "--output", type=click.Path(path_type=Path), default="out.mp4", show_default=True,
        help="The video.",
    )  # fmt: skip
    subtitles = click.option(
        "--subtitles/--no-subtitles", default=None, help="Write .srt and .vtt beside the video."
    )
    return output(subtitles(function))
