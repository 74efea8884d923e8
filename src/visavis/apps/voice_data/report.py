"""What became of a recording, for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from visavis.apps.voice_data.choosing import Dropped
from visavis.apps.voice_data.reading import Recording

GOOD_SECONDS = 60.0
LEAST_SECONDS = 30.0
_NOISY_DB = 15.0
_CLIPPED = 0.001
NOT_CHECKED = (
    "music in the background",
    "echo of the room",
    "whether one person speaks, and whether it is the one who agreed",
    "whether the texts are right: read and correct the list before training",
)


def describe(
    name: str,
    recordings: Sequence[Recording],
    pieces: Sequence[dict[str, Any]],
    dropped: Sequence[Dropped],
    reference: dict[str, Any],
) -> dict[str, Any]:
    """Put all that is known into plain JSON values."""
    seconds = sum(piece["seconds"] for piece in pieces)
    return {
        "name": name,
        "seconds": round(seconds, 2),
        "verdict": _verdict(seconds),
        "warnings": _warnings(recordings),
        "not_checked": list(NOT_CHECKED),
        "recordings": [
            {
                "file": str(r.path),
                "sha256": r.digest,
                "seconds": round(r.seconds, 2),
                "speech_seconds": round(r.speech, 2),
                "clipped": round(r.clipped, 6),
                "snr_db": _round(r.noise_before),
                "snr_db_after": _round(r.noise_after),
            }
            for r in recordings
        ],
        "reference": {
            "file": "reference.wav",
            "same_as": reference["file"],
            **{key: reference[key] for key in ("text", "language", "seconds")},
        },
        "pieces": list(pieces),
        "dropped": [
            {
                "source": str(d.source),
                "start": round(d.start, 2),
                "end": round(d.end, 2),
                "why": d.why,
            }
            for d in dropped
        ],
    }


def put_into_words(report: dict[str, Any]) -> str:
    """Write the report for people."""
    lines = [f"{report['name']}: {len(report['pieces'])} pieces, {report['seconds']:.1f} seconds"]
    lines.append(f"  {_VERDICTS[report['verdict']]}")
    for r in report["recordings"]:
        told = f"  {r['file']}: {r['speech_seconds']:.1f} s of speech in {r['seconds']:.1f} s"
        if r["snr_db"] is None:
            told += ", no pause to measure noise in"
        else:
            told += f", {r['snr_db']:.0f} dB above the noise"
            if r["snr_db_after"] != r["snr_db"]:
                told += f" ({r['snr_db_after']:.0f} dB after it was taken out)"
        lines.append(told)
    lines += [f"  warning: {warning}" for warning in report["warnings"]]
    reference = report["reference"]
    lines.append(f"  reference ({reference['seconds']:.1f} s): {reference['text']}")
    if report["dropped"]:
        gone = sum(d["end"] - d["start"] for d in report["dropped"])
        lines.append(f"  left out: {len(report['dropped'])} stretches, {gone:.1f} s")
        lines += [f"    {d['start']:.1f}-{d['end']:.1f} s: {d['why']}" for d in report["dropped"]]
    lines.append(f"  not checked: {'; '.join(report['not_checked'])}")
    return "\n".join(lines) + "\n"


_VERDICTS = {
    "good": "enough to fine-tune with",
    "thin": f"will do, but {GOOD_SECONDS:g} seconds or more make a better voice",
    "too little": f"too little to fine-tune with ({LEAST_SECONDS:g} seconds at least); the reference"
    " can be used by itself",
}


def _verdict(seconds: float) -> str:
    if seconds >= GOOD_SECONDS:
        return "good"
    return "thin" if seconds >= LEAST_SECONDS else "too little"


def _warnings(recordings: Sequence[Recording]) -> list[str]:
    found = []
    for r in recordings:
        if r.noise_before is None:
            found.append(
                f"{r.path.name} has no pause in which noise could be measured; none was cut"
            )
        elif r.noise_before < _NOISY_DB:
            found.append(
                f"{r.path.name} is noisy ({r.noise_before:.0f} dB); the voice will hear of it"
            )
        if r.clipped > _CLIPPED:
            found.append(f"{r.path.name} is clipped ({r.clipped:.1%} of it); lower the input level")
    return found


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
