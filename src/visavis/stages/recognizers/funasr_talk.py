"""One connection with a FunASR server: sound goes out while messages come in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from visavis.core.errors import AudioSilent, AudioTooShort, MissingExtra, StageError
from visavis.core.types import Floats, Waveform
from visavis.media.audio import is_silent
from visavis.media.resampling import Resampler
from visavis.stages.recognizers.funasr_results import ResultReader
from visavis.stages.services.addresses import Address
from visavis.stages.services.failures import explain_exception, explain_status, garbled, late

WHAT = "the FunASR server"
RATE = 16_000

_STEP = 960
"""Samples of a message, 60 ms: the server divides by the length of each one."""
_SHORTEST_S = 0.1
_QUIET = 0.1
"""Share of the loudest 60 ms up to which there is no speech: 20 dB."""
_LARGEST_MESSAGE = 2**20


@dataclass(frozen=True, slots=True)
class FunasrLimits:
    """How long the server is waited for.

    Attributes:
        connect_s: Seconds until the connection stands.
        send_s: Seconds in which it takes 60 ms of sound.
        final_s: Seconds after the end of the sound, or after its last message then.
        settle_s: Seconds without a message after which the last one was the last: the servers differ
            in what they say at the end, and most leave the connection open.
        backlog: Seconds that are waited longer for each second of sound since the last message.
    """

    connect_s: float = 5.0
    send_s: float = 10.0
    final_s: float = 8.0
    settle_s: float = 0.6
    backlog: float = 0.5


class Source:
    """The sound at 16 kHz, and what was in it so far."""

    def __init__(self, audio: AsyncIterator[Waveform]) -> None:
        self._audio = audio
        self._resampler: Resampler | None = None
        self.origin = 0.0
        self.samples = 0
        self.is_loud = False

    @property
    def seconds(self) -> float:
        """Of sound that came."""
        return self.samples / RATE

    async def first(self) -> Floats:
        """Wait for the beginning, before a connection is opened."""
        async for sound in self._audio:
            if len(sound.samples):
                self.origin = sound.offset / sound.sample_rate
                return self._take(sound)
        self.refuse()

    async def rest(self) -> AsyncGenerator[Floats, None]:
        """Yield what follows."""
        async for sound in self._audio:
            yield self._take(sound)
        if self._resampler is not None:
            yield self._count(self._resampler.flush())

    def refuse(self) -> NoReturn:
        """Say why there is no transcript.

        Raises:
            AudioTooShort: There was next to no sound.
            AudioSilent: No words were heard in it.
        """
        if self.seconds < _SHORTEST_S:
            raise AudioTooShort(
                f"the sound is {self.seconds:.2f} seconds long; speech needs at least {_SHORTEST_S:g}"
            )
        raise AudioSilent(
            f"no speech was heard in {self.seconds:.1f} seconds of sound;"
            " check the microphone and its level, and record again"
        )

    def _take(self, sound: Waveform) -> Floats:
        samples = np.nan_to_num(sound.samples.astype(np.float32, copy=False))
        # Whole seconds of digital silence need no server to be told from speech.
        self.is_loud = self.is_loud or not is_silent(Waveform(samples, sound.sample_rate))
        if self._resampler is None or self._resampler.from_rate != sound.sample_rate:
            rest = self._resampler.flush() if self._resampler else np.zeros(0, np.float32)
            self._resampler = Resampler(sound.sample_rate, RATE)
            samples = np.concatenate((rest, self._resampler.feed(samples)))
        else:
            samples = self._resampler.feed(samples)
        return self._count(samples)

    def _count(self, samples: Floats) -> Floats:
        self.samples += len(samples)
        return samples


class Talk:
    """One connection: sound goes out while messages come in."""

    def __init__(
        self, connection: Any, source: Source, address: Address, limits: FunasrLimits
    ) -> None:
        self._connection = connection
        self._source = source
        self._address = address
        self._limits = limits
        self._sent = 0
        self._loudest = 0.0
        self._loud_until = 0

    async def send(self, first: Floats) -> None:
        """Send all sound in messages of 60 ms, and that it is over."""
        waiting = first
        async for samples in _chain(self._source.rest()):
            waiting = np.concatenate((waiting, samples))
            whole = len(waiting) // _STEP * _STEP
            for start in range(0, whole, _STEP):
                await self._put_sound(waiting[start : start + _STEP])
            waiting = waiting[whole:]
        if len(waiting):
            await self._put_sound(np.pad(waiting, (0, _STEP - len(waiting))))
        await self._put(json.dumps({"is_speaking": False}))

    async def messages(
        self, sending: asyncio.Task[None], reader: ResultReader
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield what the server says, until it has said all."""
        loop = asyncio.get_running_loop()
        told = 0.0
        receiving = asyncio.create_task(self._connection.recv())
        began_at = last_at = loop.time()
        longest_gap = 0.0
        answered_to: int | None = None
        was_sending = True
        try:
            while True:
                waits: set[asyncio.Task[Any]] = {receiving}
                timeout = None
                if not sending.done():
                    waits.add(sending)
                else:
                    if was_sending:
                        await sending
                        was_sending, last_at = False, loop.time()
                        reader.end()
                        if answered_to is not None and self._loud_until <= answered_to:
                            # It has answered all that can be speech; most servers say no more.
                            reader.settle()
                        if not self._source.is_loud:
                            return
                    patience = (
                        max(self._limits.settle_s, 2 * longest_gap)
                        if reader.is_settling
                        else self._limits.final_s
                        + self._limits.backlog * (self._source.seconds - told)
                    )
                    timeout = max(0.0, last_at + patience - loop.time())
                done, _ = await asyncio.wait(
                    waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
                )
                if receiving in done:
                    message = self._read(receiving)
                    if message is None:
                        if not (sending.done() and reader.is_settling):
                            raise self._broken()
                        return
                    finals = reader.finals
                    yield message
                    if reader.finals > finals:
                        answered_to = self._sent
                    # Sound that was sent faster than it is spoken may still be worked at.
                    if loop.time() - began_at < self._source.seconds:
                        longest_gap = max(longest_gap, loop.time() - last_at)
                    last_at, told = loop.time(), self._source.seconds
                    if reader.is_over:
                        return
                    receiving = asyncio.create_task(self._connection.recv())
                elif not done:
                    if reader.is_settling or not (reader.is_owing or await self._is_hung()):
                        return
                    raise late(WHAT, self._address, self._limits.final_s, began=True).error
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    def _read(self, receiving: asyncio.Task[Any]) -> dict[str, Any] | None:
        """Read a message; None where the server hung up."""
        error = receiving.exception()
        if error is not None:
            if type(error).__name__.startswith("ConnectionClosed"):
                return None
            raise error
        raw = receiving.result()
        try:
            message = json.loads(raw)
        except (ValueError, UnicodeDecodeError):
            raise garbled(WHAT, self._address, "a message is not JSON").error from None
        if not isinstance(message, dict):
            raise garbled(WHAT, self._address, "a message is no object").error
        return message

    async def _is_hung(self) -> bool:
        """Whether a server that said nothing at all does not even answer a ping."""
        try:
            async with asyncio.timeout(self._limits.settle_s):
                await (await self._connection.ping())
        except (TimeoutError, OSError):
            return True
        except Exception as error:
            if type(error).__name__.startswith("ConnectionClosed"):
                return True
            raise
        return False

    async def _put_sound(self, samples: Floats) -> None:
        level = float(np.sqrt(np.mean(np.square(samples))))
        self._loudest = max(self._loudest, level)
        self._sent += _STEP
        if level > _QUIET * self._loudest:
            self._loud_until = self._sent
        await self._put(_to_pcm(samples))

    async def _put(self, data: bytes | str) -> None:
        try:
            async with asyncio.timeout(self._limits.send_s):
                await self._connection.send(data)
        except TimeoutError:
            error = late(WHAT, self._address, self._limits.send_s, began=True).error
            raise error from None
        except Exception as error:
            if type(error).__name__.startswith("ConnectionClosed"):
                raise self._broken() from None
            raise

    def _broken(self) -> StageError:
        return StageError(
            f"{WHAT} {self._address.server} broke off before it had said all; try again",
            retryable=True,
        )


async def connect_server(address: Address, limits: FunasrLimits) -> Any:
    """Open a connection.

    Raises:
        ConfigError: The server refuses the key or the path.
        MissingExtra: The package websockets is not installed.
        StageError: It cannot be reached.
    """
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus
        from websockets.typing import Subprotocol
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"the recognizer 'funasr' needs the package {error.name!r}:"
            ' pip install "visavis[services]"'
        ) from error
    headers = {"Authorization": f"Bearer {address.key}"} if address.key else {}
    try:
        return await connect(
            address.url,
            subprotocols=[Subprotocol("binary")],
            additional_headers=headers,
            open_timeout=limits.connect_s,
            ping_interval=None,  # the server's loop stands still while it computes
            max_size=_LARGEST_MESSAGE,
            compression=None,
            proxy=None if address.is_local else True,
        )
    except InvalidStatus as error:
        response = error.response
        sent = {k.lower(): v for k, v in response.headers.raw_items()}
        failure = explain_status(
            response.status_code, sent, bytes(response.body or b""), WHAT, address
        )
        raise failure.error from None
    except Exception as error:
        raise explain_exception(error, WHAT, address).error from None


async def _chain(rest: AsyncIterator[Floats]) -> AsyncGenerator[Floats, None]:
    """Begin with nothing, so that what waits already goes out at once."""
    yield np.zeros(0, np.float32)
    async for samples in rest:
        yield samples


def _to_pcm(samples: Floats) -> bytes:
    return np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
