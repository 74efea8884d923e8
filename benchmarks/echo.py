"""How surely the echo gauge tells the face's own voice from other speakers, by the length heard.

    .venv/bin/python benchmarks/echo.py

Voices of Kokoro in a simulated room; prints the share of each that comes to a likelihood.
"""

from __future__ import annotations

import asyncio

import numpy as np

from visavis.apps.assemble import Cast
from visavis.apps.demonstration import say
from visavis.apps.settings import load_settings
from visavis.core.types import Floats, Waveform
from visavis.media.resampling import resample
from visavis.pipeline.echo import REACH, EchoGauge

FACE = (
    ("请先在派出所或者政务服务网上挂失，然后带上户口簿。工本费四十元。", "zh", "zf_xiaohe"),
    (
        "受理以后十五个工作日内发证，首次申领不收费。等待期间可以同时申请一张临时身份证。",
        "zh",
        "zm_yunjian",
    ),
    ("Bring your ID card and the old passport to an immigration hall.", "en", "af_heart"),
)
USERS = (
    ("办理居住证需要什么材料？", "zh", "zm_yunxi"),
    ("护照有效期是多久？", "zh", "zf_xiaoxiao"),
    ("停一下，我不是问这个", "zh", "zf_xiaobei"),
    ("How do I replace a lost card?", "en", "am_michael"),
    ("What do I need for that?", "en", "bf_emma"),
)
SPANS = (0.21, 0.45, 0.75)
LEVELS = (0.2, 0.5, 0.8)
DELAY = 0.2


def main() -> None:
    cast, rng = Cast(load_settings()), np.random.default_rng(0)

    def speak(text: str, language: str, voice: str) -> Waveform:
        return asyncio.run(say(cast, text, language, voice))  # type: ignore[arg-type]

    face = [speak(*one).samples for one in FACE]
    users = [resample(speak(*one), 16_000).samples for one in USERS]
    users = [sound[np.argmax(np.abs(sound) > 0.05) :] for sound in users]
    room = np.zeros(4_000)
    room[0] = 1.0
    for _ in range(400):
        room[rng.integers(1, len(room))] += rng.normal() * 0.25 * np.exp(-3 * rng.random())
    for span in SPANS:
        heard: dict[str, list[float]] = {"others": [], "echoes": []}
        for sound in face:
            for at in range(48_000, len(sound) - 24_000, 8_000):
                gauge = EchoGauge()
                for start in range(max(0, at - round(REACH * 24_000)) // 960 * 960, at - 960, 960):
                    gauge.play(sound[start : start + 960])
                for user in users:
                    heard["others"].append(gauge.likelihood(user[: round(span * 16_000)]))
                own = echo(sound[: at // 960 * 960], span, room, rng)
                if np.sqrt(np.mean(own**2)) > 0.006:
                    heard["echoes"].append(gauge.likelihood(own))
        for who, likelihoods in heard.items():
            shares = (
                f">= {level}: {np.mean(np.array(likelihoods) >= level):.2f}" for level in LEVELS
            )
            print(f"{span:.2f} s  {who:7} n={len(likelihoods):4}  " + "  ".join(shares))


def echo(sent: Floats, span: float, room: np.ndarray, rng: np.random.Generator) -> Floats:
    """What the microphone hears of the sound that was sent up to now."""
    end = len(sent) - round(DELAY * 24_000)
    part = resample(Waveform(sent[end - round(span * 24_000) : end], 24_000), 16_000).samples
    part = 0.15 * np.convolve(part, room)[: len(part)] + 0.003 * rng.normal(size=len(part))
    return part.astype(np.float32)


if __name__ == "__main__":
    main()
