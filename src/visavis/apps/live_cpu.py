"""What the live server's CPU time goes into, by the names of its threads.

Workers name their threads (``pipeline/bridge.py``), and pools of a runtime bear the name of the
thread that loaded the network, which ``warm_up`` names by what it loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from visavis.apps.processes import ProcessMeter

REST = "rest"
STAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "hearing": ("ears",),
        "understanding": ("understanding", "recognizer", "transcribing"),
        "answering": ("answering", "responder", "responding"),
        "voice": ("voice", "synthesizer", "speaking"),
        "face": ("face", "animator", "avatar"),
        "encoding and network": ("main", "webrtc", "fmp4"),
    }
)
"""Threads by what they do. Hearing is telling speech from silence, and the words so far;
understanding is the whole question. The main thread has the event loop, with aiortc on it."""
_STAGE_OF = {thread: stage for stage, threads in STAGES.items() for thread in threads}


def share_by_stage(meter: ProcessMeter) -> dict[str, float]:
    """Tell the CPU that each stage took since the meter's ``restart``, 1.0 being one core.

    Returns:
        Every key of ``STAGES``, ``rest``, and ``all``, which is their sum.
    """
    shares = dict.fromkeys((*STAGES, REST), 0.0)
    for name, share in meter.shares().items():
        shares[_STAGE_OF.get(name, REST)] += share
    everything = meter.share()
    # What threads did that have ended since is in the sum alone.
    shares[REST] = max(0.0, everything - sum(shares.values()) + shares[REST])
    return {**{name: round(share, 3) for name, share in shares.items()}, "all": everything}
