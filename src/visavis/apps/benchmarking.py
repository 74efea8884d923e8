"""Measures the stages: time per second of output, first result, memory; with the machine named."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.apps.demonstration import say
from visavis.core import registry
from visavis.core.errors import ConfigError
from visavis.core.types import FPS, Language, Message, Segment, Sentence, Speech, Waveform

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast

TEXTS: dict[Language, str] = {
    "zh": "请带上您的身份证和近期照片,到户籍所在地的派出所办理,十个工作日可以领到新证。",
    "en": "Please bring your identity card and a recent photo to the police station near you.",
}
QUESTIONS: dict[Language, str] = {
    "zh": "身份证丢了怎么补办?",
    "en": "How do I replace a lost identity card?",
}
SIZES = (512, 720)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one stage took: medians of all runs but the first, which warms up.

    Attributes:
        stage: What was measured.
        case: On what.
        loading: Seconds until the stage had done its first, small task.
        first: Seconds from the input to the first result.
        per_second: Seconds of work for a second of sound or video; None where there is none.
        total: Seconds for the whole case.
        memory: Megabytes that the program holds more than before the stage was loaded.
        runs: How often it was measured.
    """

    stage: str
    case: str
    loading: float
    first: float
    per_second: float | None
    total: float
    memory: float
    runs: int


@dataclass(slots=True)
class _Run:
    first: float
    total: float
    seconds: float | None


def bench(
    cast: Cast,
    runs: int,
    only: Sequence[str] = (),
    tell: Callable[[Measurement], None] = lambda measurement: None,
) -> dict[str, Any]:
    """Measure the stages in the order of the flow.

    Args:
        cast: Whose settings count.
        runs: Measured runs of each case, after one that warms up.
        only: Names of stages to measure; all by default.
        tell: Called with each measurement.

    Returns:
        ``machine`` and ``measurements``; plain JSON values.
    """
    measurements = []
    for name, measure in _STAGES.items():
        if only and name not in only:
            continue
        for measurement in measure(cast, runs):
            measurements.append(measurement)
            tell(measurement)
    return {"machine": describe_machine(), "measurements": [asdict(m) for m in measurements]}


def describe_machine() -> dict[str, Any]:
    """Name processor, cores, memory and the versions that matter."""
    versions = {}
    for package in ("visavis", "numpy", "onnxruntime", "openvino", "ai-edge-litert", "av"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "versions": versions,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _resident() -> float:
    """Megabytes of memory held now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def _stopwatch() -> Iterator[Callable[[], float]]:
    began = time.perf_counter()
    yield lambda: time.perf_counter() - began


def _measure(
    stage: str, case: str, runs: int, before: float, loading: float, run: Callable[[], _Run]
) -> Measurement:
    run()
    done = [run() for _ in range(runs)]
    total = statistics.median(r.total for r in done)
    seconds = done[0].seconds
    return Measurement(
        stage,
        case,
        round(loading, 3),
        round(statistics.median(r.first for r in done), 4),
        round(total / seconds, 4) if seconds else None,
        round(total, 4),
        round(max(_resident() - before, 0.0), 1),
        runs,
    )


async def _time_async(items: AsyncIterator[Any]) -> tuple[float, float, list[Any]]:
    with _stopwatch() as elapsed:
        first, got = 0.0, []
        async for item in items:
            first = first or elapsed()
            got.append(item)
        return first, elapsed(), got


async def _chunks(sound: Waveform) -> AsyncIterator[Waveform]:
    each = sound.sample_rate // 5
    for start in range(0, len(sound.samples), each):
        yield Waveform(sound.samples[start : start + each], sound.sample_rate, start)


def _recognizers(cast: Cast, runs: int) -> Iterator[Measurement]:
    from visavis.media.resampling import resample

    for name in registry.names("recognizers"):
        for language, text in TEXTS.items():
            voice = cast.choose_voices(cast.load_avatar())[language]
            sound = resample(asyncio.run(say(cast, text, language, voice)), 16_000)
            before = _resident()
            with _stopwatch() as elapsed:
                try:
                    stage = registry.load("recognizers", name)()
                except ConfigError:
                    break  # it asks for what was not set: a server is the user's own
                asyncio.run(_time_async(stage.transcribe(_chunks(sound))))
                loading = elapsed()

            def run(stage: Any = stage, sound: Waveform = sound) -> _Run:
                first, total, _ = asyncio.run(_time_async(stage.transcribe(_chunks(sound))))
                return _Run(first, total, sound.duration)

            case = f"{name}, {language}, {sound.duration:.0f} s of speech"
            yield _measure("recognizer", case, runs, before, loading, run)


def _responders(cast: Cast, runs: int) -> Iterator[Measurement]:
    for name in registry.names("responders"):
        before = _resident()
        with _stopwatch() as elapsed:
            try:
                stage = registry.load("responders", name)()
            except ConfigError:
                continue  # it asks for what was not set: a language model's server is the user's own
            asyncio.run(_time_async(stage.reply([Message("user", QUESTIONS["en"])])))
            loading = elapsed()
        for language, question in QUESTIONS.items():

            def run(stage: Any = stage, question: str = question) -> _Run:
                first, total, _ = asyncio.run(_time_async(stage.reply([Message("user", question)])))
                return _Run(first, total, None)

            yield _measure("responder", f"{name}, {language}", runs, before, loading, run)


def _synthesizers(cast: Cast, runs: int) -> Iterator[Measurement]:
    for name in registry.names("synthesizers"):
        before = _resident()
        with _stopwatch() as elapsed:
            stage = registry.load("synthesizers", name)()
            voices = stage.voices()
            if not voices:
                continue  # a server's voices are the user's own
            hello = Sentence(0, 0, "Hello.", "en")
            asyncio.run(_time_async(stage.speak(hello, voices[0].name)))
            loading = elapsed()
        for language, text in TEXTS.items():
            voice = next((v.name for v in voices if language in v.languages), None)
            if voice is None:
                continue
            sentence = Sentence(0, 0, text, language)

            def run(stage: Any = stage, sentence: Any = sentence, voice: str = voice) -> _Run:
                first, total, made = asyncio.run(_time_async(stage.speak(sentence, voice)))
                return _Run(first, total, sum(s.audio.duration for s in made))

            yield _measure("synthesizer", f"{name}, {language}", runs, before, loading, run)


def _animators(cast: Cast, runs: int) -> Iterator[Measurement]:
    speech, sounds = _make_speech(cast), {}
    for size in SIZES:
        before = _resident()
        with _stopwatch() as elapsed:
            performance = _open(cast, size)
            loading = elapsed()
        try:
            for case, marks in (("by phonemes", speech.marks), ("by sound", ())):
                sounds[case] = Speech(0, speech.sentence, speech.audio, marks)

                def run(performance: Any = performance, fed: Speech = sounds[case]) -> _Run:
                    performance.reset()
                    with _stopwatch() as elapsed:
                        first, frames = 0.0, 0
                        for made in (performance.feed(fed), performance.flush()):
                            for segment in made:
                                first = first or elapsed()
                                frames += len(segment.frames)
                        return _Run(first, elapsed(), frames / FPS)

                named = f"{cast.settings.animator}, {size} px, {case}"
                yield _measure("animator", named, runs, before, loading, run)
        finally:
            performance.close()


def _encoders(cast: Cast, runs: int) -> Iterator[Measurement]:
    from visavis.apps.recording import open_writer

    speech = _make_speech(cast)
    for size in SIZES:
        performance = _open(cast, size)
        segments: list[Segment] = [*performance.feed(speech), *performance.flush()]
        performance.close()
        before = _resident()
        with tempfile.TemporaryDirectory() as folder:

            def run(
                path: Path = Path(folder) / "bench.mp4", segments: list[Segment] = segments
            ) -> _Run:
                with _stopwatch() as elapsed:
                    first = 0.0
                    with open_writer(path, cast.settings) as writer:
                        for segment in segments:
                            writer.write(segment)
                            first = first or elapsed()
                    return _Run(first, elapsed(), writer.duration)

            yield _measure("encoder", f"H.264 + AAC, {size} px", runs, before, 0.0, run)


def _answers(cast: Cast, runs: int) -> Iterator[Measurement]:
    from visavis.apps.answering import answer

    avatar = cast.load_avatar()
    for language, question in QUESTIONS.items():
        before = _resident()
        with tempfile.TemporaryDirectory() as folder:

            def run(path: Path = Path(folder) / "bench.mp4", question: str = question) -> _Run:
                result = asyncio.run(answer(cast, path, question, avatar=avatar, subtitles=False))
                first = result["timings"]["animator"]["first"]
                return _Run(first, result["elapsed"], result["seconds"])

            yield _measure("answer", f"question to file, {language}", runs, before, 0.0, run)


def _make_speech(cast: Cast) -> Speech:
    from visavis.apps.demonstration import speak_sentence

    voice = cast.choose_voices(cast.load_avatar())["zh"]
    return asyncio.run(speak_sentence(cast, Sentence(0, 0, TEXTS["zh"], "zh"), voice))


def _open(cast: Cast, size: int) -> Any:
    from dataclasses import replace

    sized = replace(cast, settings=replace(cast.settings, size=size))
    return sized.open_performance(sized.load_avatar())


_STAGES: dict[str, Callable[[Cast, int], Iterator[Measurement]]] = {
    "recognizer": _recognizers,
    "responder": _responders,
    "synthesizer": _synthesizers,
    "animator": _animators,
    "encoder": _encoders,
    "answer": _answers,
}
STAGES = tuple(_STAGES)
