"""A page that shows what was prepared: pictures, distributions, people, and what was refused.

One HTML file without anything beside it or from a network, to be opened from disk.
"""

from __future__ import annotations

import base64
import html
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from visavis.core.types import FPS, Floats, Picture
from visavis.media.files import finish_or_discard
from visavis.training.data.clip_store import ClipInfo, ClipStore
from visavis.training.data.who_speaks import lip_opening

REPORT = "report.html"
SHOWN = 32
"""Clips of a contact sheet."""
_DOUBTFUL = 8
"""Clips of each kind among the doubtful ones."""
_SIDE = 112
"""Pixels of a crop on the page."""
_QUALITY = 82
_BINS = 24
_LISTED = 500
"""Sources of which the page tells why nothing, or not all, was made of them."""

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: #4b7bec; --soft: #888; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1240px; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
p { margin: .3rem 0 .8rem } .soft { color: var(--soft) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere }
td.n, th.n { text-align: right }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(228px, 1fr)); gap: .9rem }
figure { margin: 0 } figure img { width: 100%; height: auto; display: block; border-radius: 4px }
figcaption { font-size: .78rem; color: var(--soft); overflow-wrap: anywhere }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 1.2rem }
.plots svg { width: 100%; height: auto } rect { fill: var(--bar) }
svg text { fill: currentColor; font-size: 11px } details { margin: .6rem 0 }
"""

_Measure = tuple[str, str, Callable[[ClipInfo], float]]
_MEASURES: tuple[_Measure, ...] = (
    ("Length", "seconds", lambda clip: clip.seconds),
    ("Face", "pixels of the crop in the source", lambda clip: clip.face_size),
    ("Sharpness", "0 is a blur", lambda clip: clip.sharpness),
    ("Yaw", "degrees, median of a clip", lambda clip: clip.pose[0]),
    ("Pitch", "degrees, median of a clip", lambda clip: clip.pose[1]),
    ("Turned furthest", "degrees, in any frame", lambda clip: clip.turned),
    ("Lip motion", "deviation of the opening, face heights", lambda clip: clip.mouth_motion),
    ("Loudness", "dB below full scale", lambda clip: clip.loudness),
)


def write_report(path: Path, manifest: Mapping[str, Any]) -> Path:
    """Write the page of a store beside it.

    Args:
        path: The store's folder.
        manifest: Its manifest.

    Returns:
        Where the page is.

    Raises:
        OutputUnwritable: It cannot be written.
    """
    store = ClipStore(path)
    parts = [_head(path, manifest), _people(manifest)]
    if store.clips:
        parts += [_sheets(store), _plots(store.clips), _doubtful(store)]
    parts.append(_refused(manifest))
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>Prepared clips: {html.escape(path.name)}</title><style>{_STYLE}</style>"
        f"<body>{''.join(parts)}</body></html>\n"
    )
    target = path / REPORT
    with finish_or_discard(target) as part:
        part.write_text(page, "utf-8")
    store.close()
    return target


def _head(path: Path, manifest: Mapping[str, Any]) -> str:
    sources = manifest["sources"]
    empty = sum(not source["clips"] for source in sources)
    rows = [
        ("Videos", f"{len(sources)}, of which {empty} gave no clip"),
        ("Clips", f"{manifest['clips']}, {_duration(manifest['frames'])} in all"),
        ("Crop", f"{manifest['settings']['making']['size']} pixels square"),
    ]
    rows += [
        (
            f"Split {name}",
            f"{part['clips']} clips of {part['people']} people, {_duration(part['frames'])}",
        )
        for name, part in manifest["splits"].items()
    ]
    body = "".join(f"<tr><th>{_text(a)}</th><td>{_text(b)}</td></tr>" for a, b in rows)
    return (
        f"<h1>Prepared clips</h1><p class=soft>{_text(path.name)}, by visavis"
        f" {_text(manifest['visavis'])}</p><table>{body}</table>"
    )


def _people(manifest: Mapping[str, Any]) -> str:
    people = sorted(manifest["people"].items(), key=lambda item: -item[1]["frames"])
    rows = "".join(
        f"<tr><td>{_text(name)}</td><td>{_text(person['split'])}</td><td class=n>{person['clips']}"
        f"</td><td class=n>{_duration(person['frames'])}</td></tr>"
        for name, person in people[:_LISTED]
    )
    rest = len(people) - _LISTED
    more = f"<p class=soft>and {rest} more</p>" if rest > 0 else ""
    return (
        f"<h2>People</h2><details{'' if len(people) > 12 else ' open'}><summary>{len(people)} people;"
        " nobody is in two splits</summary><table><tr><th>person</th><th>split</th>"
        f"<th class=n>clips</th><th class=n>length</th></tr>{rows}</table>{more}</details>"
    )


def _sheets(store: ClipStore) -> str:
    parts = ["<h2>Clips</h2><p class=soft>Lips shut, parted and furthest apart, taken evenly.</p>"]
    for split in sorted({clip.split for clip in store.clips}):
        clips = store.select(split)
        count = min(SHOWN, len(clips))
        chosen = [clips[i * len(clips) // count] for i in range(count)]
        parts.append(f"<h3>{_text(split)}</h3>{_sheet(store, chosen)}")
    return "".join(parts)


def _doubtful(store: ClipStore) -> str:
    kinds: tuple[tuple[str, Callable[[ClipInfo], float]], ...] = (
        ("Least sharp", lambda clip: clip.sharpness),
        ("Turned furthest", lambda clip: -clip.turned),
        ("Smallest faces", lambda clip: clip.face_size),
        ("Lips that move least", lambda clip: clip.mouth_motion),
    )
    parts = ["<h2>To be looked at</h2>"]
    for title, order in kinds:
        chosen = sorted(store.clips, key=order)[:_DOUBTFUL]
        parts.append(f"<h3>{title}</h3>{_sheet(store, chosen)}")
    several = [clip for clip in store.clips if clip.faces > 1][:_DOUBTFUL]
    if several:
        parts.append(f"<h3>One of several people in view</h3>{_sheet(store, several)}")
    return "".join(parts)


def _sheet(store: ClipStore, clips: Sequence[ClipInfo]) -> str:
    figures = []
    for clip in clips:
        opening = lip_opening(store.landmarks(clip))
        order = np.argsort(opening)
        chosen = [int(order[0]), int(order[len(order) * 3 // 4]), int(order[-1])]
        image = np.concatenate([_shrink(frame) for frame in store.frames(clip, chosen)], axis=1)
        caption = f"{clip.name} · {clip.person} · {clip.seconds:.1f} s · {clip.face_size:.0f} px"
        if clip.confidence:
            caption += f" · sound {clip.offset:+.1f} frames"
        figures.append(
            f"<figure><img loading=lazy width={image.shape[1]} height={image.shape[0]}"
            f" alt='{_text(clip.name)}' src='{_data_url(image)}'>"
            f"<figcaption>{_text(caption)}</figcaption></figure>"
        )
    return f"<div class=sheet>{''.join(figures)}</div>"


def _shrink(frame: Picture) -> Picture:
    import cv2

    return np.asarray(cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _data_url(image: Picture) -> str:
    import cv2

    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _plots(clips: Sequence[ClipInfo]) -> str:
    measures = list(_MEASURES)
    if any(clip.confidence for clip in clips):
        measures += [
            ("Offset of the sound", "frames; positive is late", lambda clip: clip.offset),
            ("Confidence of the offset", "", lambda clip: clip.confidence),
        ]
    plots = [
        _histogram(title, unit, np.array([take(clip) for clip in clips], np.float32))
        for title, unit, take in measures
    ]
    return f"<h2>Distributions</h2><div class=plots>{''.join(plots)}</div>"


def _histogram(title: str, unit: str, values: Floats) -> str:
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(values, _BINS, (low, high))
    width, height, base = 270.0, 80.0, 96.0
    step = width / _BINS
    bars = "".join(
        f"<rect x={i * step:.1f} y={base - height * count / counts.max():.1f} width={step - 1:.1f}"
        f" height={height * count / counts.max():.1f}><title>{edges[i]:.3g} to {edges[i + 1]:.3g}:"
        f" {count}</title></rect>"
        for i, count in enumerate(counts)
    )
    middle = float(np.median(values))
    label = f"{title}: from {low:.3g} to {high:.3g}, median {middle:.3g}"
    return (
        f"<div><b>{_text(title)}</b> <span class=soft>{_text(unit)}</span>"
        f"<svg viewBox='0 0 {width:.0f} 114' role=img aria-label='{_text(label)}'>{bars}"
        f"<text x=0 y=110>{low:.3g}</text>"
        f"<text x={width / 2:.0f} y=110 text-anchor=middle>median {middle:.3g}</text>"
        f"<text x={width:.0f} y=110 text-anchor=end>{high:.3g}</text></svg></div>"
    )


def _refused(manifest: Mapping[str, Any]) -> str:
    reasons: Counter[str] = Counter()
    listed = []
    for source in manifest["sources"]:
        reasons.update(source["refused"])
        why = [f"{reason} ({count})" for reason, count in sorted(source["refused"].items())]
        if source["error"]:
            why.insert(0, source["error"])
            reasons["the video itself"] += 1
        if not source["finished"] and not source["error"]:
            why.insert(0, "stopped before its end")
        if why:
            listed.append((source["file"], source["clips"], "; ".join(why)))
    if not listed:
        return "<h2>Refused</h2><p>Nothing.</p>"
    totals = "".join(
        f"<tr><td>{_text(reason)}</td><td class=n>{count}</td></tr>"
        for reason, count in reasons.most_common()
    )
    rows = "".join(
        f"<tr><td>{_text(name)}</td><td class=n>{clips}</td><td>{_text(why)}</td></tr>"
        for name, clips, why in listed[:_LISTED]
    )
    rest = len(listed) - _LISTED
    more = f"<p class=soft>and {rest} more, all in manifest.json</p>" if rest > 0 else ""
    return (
        "<h2>Refused</h2><p class=soft>Stretches of videos that became no clip, by reason.</p>"
        f"<table>{totals}</table><h3>By video</h3><table><tr><th>video</th><th class=n>clips</th>"
        f"<th>why not all of it</th></tr>{rows}</table>{more}"
    )


def _duration(frames: int) -> str:
    seconds = frames / FPS
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
