"""A server's sound as the speeches of a sentence: early, in small pieces, at one rate."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import numpy as np

from visavis.core.errors import Error, LanguageUnsupported, StageError, TextUnusable
from visavis.core.types import Floats, Sentence, Speech, Waveform
from visavis.media.resampling import Resampler
from visavis.stages.services.addresses import Address
from visavis.stages.services.calls import Call, Limits, Reply, Watch, open_call, with_retries
from visavis.stages.services.failures import CallFailure, garbled, read_message, tell
from visavis.stages.synthesizers.service_voices import ServiceVoice
from visavis.stages.synthesizers.sound_bytes import GarbledSound, SoundFormat, SoundReader

WHAT = "the speech server"

_LONGEST_PIECE = 0.2
"""Seconds; an interruption waits for the end of a piece."""
_SHORTEST_PIECE = 0.04
"""Seconds; also what is held back, as the last piece must be known to be the last."""
_MOST, _MOST_PER_CHARACTER = 30.0, 1.5
"""Seconds of sound after which a server is taken to have gone astray."""
_ERROR_BYTES = 65_536
_RATE_PARAMETER = re.compile(r"rate=(\d{4,6})")


def check_sentence(sentence: Sentence, voice: ServiceVoice) -> None:
    """Refuse what the voice cannot say, before its server is asked.

    Raises:
        TextUnusable: There is neither letter nor digit in it.
        LanguageUnsupported: It is in another language than the voice speaks.
    """
    if not any(c.isalnum() for c in sentence.text):
        raise TextUnusable(f"nothing in {sentence.text[:40]!r} can be spoken")
    if sentence.language not in voice.languages:
        raise LanguageUnsupported(
            f"the voice {voice.name!r} speaks {' and '.join(voice.languages)}, and the text is"
            f" {sentence.language}; take another voice, or add it to 'languages' in {voice.source}"
        )


async def speak_call(
    sentence: Sentence,
    voice: ServiceVoice,
    address: Address,
    call: Call,
    format: SoundFormat,
    limits: Limits,
) -> AsyncGenerator[Speech, None]:
    """Ask a server to speak and yield what it says. Closing it hangs up.

    Where the server breaks off, what came until then is yielded before the error is raised, and none
    of it has ``is_last``.

    Args:
        sentence: That is spoken.
        voice: At whose rate the sound is handed on.
        address: Of the server.
        call: What it is asked.
        format: Of what it sends.
        limits: How long it is waited for.

    Raises:
        ConfigError: Its key, or what was asked for, is wrong.
        StageError: Anything else; retryable where asking again may help.
    """
    position = 0

    def attempt() -> AsyncGenerator[tuple[Floats, bool], None]:
        return _attempt(sentence, voice.rate, address, call, format, limits)

    async with aclosing(with_retries(attempt, limits)) as pieces:
        async for samples, is_last in pieces:
            audio = Waveform(samples, voice.rate, position)
            position += len(samples)
            yield Speech(sentence.turn, sentence, audio, (), is_last)


async def _attempt(
    sentence: Sentence,
    rate: int,
    address: Address,
    call: Call,
    format: SoundFormat,
    limits: Limits,
) -> AsyncGenerator[tuple[Floats, bool], None]:
    """Yield pieces and whether each is the last. Raises CallFailure."""
    watch = Watch(limits)
    cutter = _Cutter(rate)
    room = round(rate * (_MOST + _MOST_PER_CHARACTER * len(sentence.text)))
    try:
        async with open_call(address, call, limits, watch) as reply:
            await _refuse_message(reply, call, address)
            reader = SoundReader(format, _read_rate(reply.headers) or rate)
            async with aclosing(reply.chunks()) as chunks:
                async for data in chunks:
                    for piece in cutter.feed(_decode(reader, data, call, address), reader.rate):
                        watch.extend()
                        yield piece, False
                    if cutter.made > room:
                        raise garbled(call.what, address, "sound without end")
        cutter.add(_decode(reader, None, call, address), reader.rate)
        if reader.is_cut:
            error = StageError(
                f"{call.what} {address.server} broke off within a sentence; try again",
                retryable=True,
            )
            raise CallFailure(error, again=True)
        rest = cutter.finish()
        if not rest:
            error = StageError(
                f"{call.what} {address.server} sent no sound for {sentence.text[:40]!r};"
                " its log may say why",
                retryable=True,
            )
            raise CallFailure(error, again=True)
    except CallFailure:
        if cutter.made:
            for piece in cutter.finish():
                yield piece, False
        raise
    for number, piece in enumerate(rest):
        yield piece, number == len(rest) - 1


def _decode(reader: SoundReader, data: bytes | None, call: Call, address: Address) -> Floats:
    try:
        return reader.finish() if data is None else reader.feed(data)
    except GarbledSound as error:
        raise garbled(call.what, address, str(error)) from None


async def _refuse_message(reply: Reply, call: Call, address: Address) -> None:
    """Raise what a server says in an answer that it calls a success."""
    if reply.kind == "application/json":
        told = tell(read_message(await reply.read(_ERROR_BYTES)), address)
        error: Error = StageError(f"{call.what} {address.server} sent no sound: {told}")
        raise CallFailure(error)
    if reply.kind in ("text/html", "application/xhtml+xml"):
        raise garbled(call.what, address, "it is a web page")


def _read_rate(headers: Mapping[str, str]) -> int | None:
    """Find the sample rate (Hz) that headers tell of raw sound; None where they tell none."""
    for name, value in headers.items():
        plain = name.replace("-", "").replace("_", "")
        if plain.endswith("samplerate") and value.strip().isdigit():
            return _plausible(int(value))
    if found := _RATE_PARAMETER.search(headers.get("content-type", "").lower()):
        return _plausible(int(found[1]))
    return None


def _plausible(rate: int) -> int | None:
    return rate if 8_000 <= rate <= 96_000 else None


class _Cutter:
    """Cuts sound into pieces at one rate, and holds the last one back."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._longest = round(rate * _LONGEST_PIECE)
        self._held = round(rate * _SHORTEST_PIECE)
        self._waiting: Floats = np.zeros(0, np.float32)
        self._resampler: Resampler | None = None
        self.made = 0
        """Samples given out."""

    def add(self, samples: Floats, from_rate: int) -> None:
        """Take sound at any rate."""
        if not len(samples):
            return
        if self._resampler is None:
            self._resampler = Resampler(from_rate, self._rate)
        # A windowed sinc may pass full scale by a little.
        made = np.clip(self._resampler.feed(samples), -1.0, 1.0)
        self._waiting = np.concatenate((self._waiting, made))

    def feed(self, samples: Floats, from_rate: int) -> list[Floats]:
        """Take sound and give what can be handed on."""
        self.add(samples, from_rate)
        pieces = []
        while len(self._waiting) >= 2 * self._held:
            pieces.append(self._cut(min(len(self._waiting) - self._held, self._longest)))
        return pieces

    def finish(self) -> list[Floats]:
        """Give the rest in pieces; nothing where there was no sound at all."""
        if self._resampler is not None:
            rest = np.clip(self._resampler.flush(), -1.0, 1.0)
            self._waiting = np.concatenate((self._waiting, rest))
        pieces = []
        while len(self._waiting):
            pieces.append(self._cut(min(len(self._waiting), self._longest)))
        return pieces

    def _cut(self, size: int) -> Floats:
        piece, self._waiting = self._waiting[:size].copy(), self._waiting[size:]
        self.made += size
        return piece
