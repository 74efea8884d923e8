"""A video service for pipecat: what the voice says in, picture and sound in step out.

    Pipeline([transport.input(), stt, llm, tts, AvatarVideoService(Look("ada")), transport.output()])

Needs the extra ``pipecat``.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from visavis.apps.adapters.face import Beat, Note, SpeakingFace
from visavis.apps.adapters.opening import Look, MakePerformance
from visavis.core.errors import Error, MissingExtra
from visavis.core.types import Floats

try:
    from pipecat.frames.frames import (
        CancelFrame,
        EndFrame,
        Frame,
        InterruptionFrame,
        OutputImageRawFrame,
        OutputTransportReadyFrame,
        StartFrame,
        StopFrame,
        SystemFrame,
        TTSAudioRawFrame,
        TTSStartedFrame,
        TTSStoppedFrame,
    )
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
    from pipecat.services.ai_service import AIService
    from pipecat.services.settings import ServiceSettings
    from pipecat.transports.base_output import BaseOutputTransport
except ModuleNotFoundError as error:
    raise MissingExtra(
        f"the video service for pipecat needs the package {error.name!r}:"
        " pip install 'visavis[pipecat]'"
    ) from error


class AvatarVideoService(AIService):
    """Stands between the voice and the output transport.

    Takes ``TTSAudioRawFrame`` at any rate and pushes, 25 times a second, an ``OutputImageRawFrame``
    and, in speech, the 40 ms of sound that belong to it. All other frames keep their place between
    the sounds; system frames pass at once. An interruption drops all that was not yet pushed. If
    the face cannot be opened, that is reported and the voice goes on without it.

    Args:
        look: Which face, or what makes its performance; the default avatar if nothing is said.
        sample_rate: Hz of the sound that is pushed, a multiple of 25; the pipeline's by default.
        video_is_live: Whether the transport has ``video_out_is_live``; it is asked by default. A
            live one shows images as they come; any other gets them through its queue of sound.
        **options: Of ``AIService``.
    """

    def __init__(
        self,
        look: Look | MakePerformance | None = None,
        *,
        sample_rate: int | None = None,
        video_is_live: bool | None = None,
        **options: Any,
    ) -> None:
        options.setdefault("settings", ServiceSettings(model=None))
        super().__init__(**options)
        look = Look() if look is None else look
        self._make = look.perform if isinstance(look, Look) else look
        self._sample_rate = sample_rate
        self._video_is_live = video_is_live
        self._face: SpeakingFace | None = None
        self._show_task: asyncio.Task[None] | None = None
        self._pushing = asyncio.Lock()
        self._context: str | None = None
        self._destination: str | None = None
        self._is_protected = False  # what is being said must not be interrupted
        self._awaits_first = False

    def can_generate_metrics(self) -> bool:
        """Whether it measures the time to its first frame of speech."""
        return True

    async def setup(  # type: ignore[override]  # as all of pipecat's processors do
        self, setup: FrameProcessorSetup
    ) -> None:
        """Load the face, while the other processors set themselves up."""
        await super().setup(setup)
        rate = self._sample_rate or setup.audio_out_sample_rate
        try:
            self._face = await SpeakingFace.open(
                self._make, sample_rate=rate, on_error=self._report, name="pipecat"
            )
        except (Error, ValueError) as error:
            await self.push_error(
                f"the avatar cannot be shown: {error}", error, force_treat_as_permanent=True
            )

    async def start(self, frame: StartFrame) -> None:
        """Begin to show, if no transport has to get ready first."""
        await super().start(frame)
        transport = self._find_transport()
        if self._video_is_live is None:
            parameters = getattr(transport, "_params", None)
            self._video_is_live = bool(getattr(parameters, "video_out_is_live", False))
        if transport is None:
            self._begin()

    def _find_transport(self) -> BaseOutputTransport | None:
        after = self.next
        while after is not None:
            for processor in (after, *after.processors):
                if isinstance(processor, BaseOutputTransport):
                    return processor
            after = after.next
        return None

    def _begin(self) -> None:
        if self._face is not None and self._show_task is None:
            self._show_task = self.create_task(self._show_all(self._face))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Give speech to the face and let everything else out in its place."""
        await super().process_frame(frame, direction)
        face = self._face
        if isinstance(frame, StartFrame):
            await self.push_frame(frame, direction)
            await self.start(frame)
        elif isinstance(frame, CancelFrame):
            await self.cancel(frame)
            await self.push_frame(frame, direction)
        elif isinstance(frame, InterruptionFrame):
            await self._interrupt(frame, direction)
        elif direction is FrameDirection.UPSTREAM or isinstance(frame, SystemFrame):
            if isinstance(frame, OutputTransportReadyFrame):
                self._begin()
            await self.push_frame(frame, direction)
        elif face is None:
            await self.push_frame(frame, direction)
        elif isinstance(frame, TTSAudioRawFrame):
            self._is_protected |= not frame.interruptible
            await face.say(_floats(frame), frame.sample_rate)
        elif isinstance(frame, TTSStoppedFrame):
            face.end(frame)
        elif isinstance(frame, EndFrame | StopFrame):
            await self._finish(face)
            await self.stop_showing()
            await self.push_frame(frame, direction)
        else:
            if isinstance(frame, TTSStartedFrame):
                self._awaits_first = True
                await self.start_ttfb_metrics()
            if not face.is_quiet:
                face.note(frame)
                return
            async with self._pushing:
                await self._push_note(frame)

    async def _interrupt(self, frame: InterruptionFrame, direction: FrameDirection) -> None:
        face = self._face
        dropped: list[object] = []
        if face is not None and not (self._is_protected and not face.is_quiet):
            dropped = face.clear()
        async with self._pushing:  # what was on its way out must not come after this
            await self.push_frame(frame, direction)
            for value in dropped:
                if not (isinstance(value, Frame) and value.interruptible):
                    await self._push_note(value)

    async def _finish(self, face: SpeakingFace) -> None:
        """Wait until all has been said."""
        if self._show_task is not None and not self._show_task.done():
            done = asyncio.Event()
            face.end(done)
            await done.wait()

    async def _show_all(self, face: SpeakingFace) -> None:
        try:
            async for item in face.stream():
                async with self._pushing:
                    if isinstance(item, Note):
                        await self._push_note(item.value)
                    else:
                        await self._push_beat(face, item)
        except Exception as error:
            self._face = self._show_task = None
            message = f"the avatar stopped, and the voice goes on without it: {error}"
            await self.push_error(message, error, force_treat_as_permanent=True)
            for value in face.clear():
                await self._push_note(value)
            await face.close()

    async def _push_note(self, value: object) -> None:
        if isinstance(value, asyncio.Event):
            value.set()
            return
        assert isinstance(value, Frame)
        if isinstance(value, TTSStartedFrame):
            self._context, self._destination = value.context_id, value.transport_destination
        if isinstance(value, TTSStoppedFrame):
            self._is_protected = False
        await self.push_frame(value)

    async def _push_beat(self, face: SpeakingFace, beat: Beat) -> None:
        turn = face.turn
        height, width = beat.image.shape[:2]
        image = OutputImageRawFrame(beat.image.tobytes(), (width, height), "RGB")
        image.sync_with_audio = not self._video_is_live
        await self.push_frame(image)
        if beat.sound is None or face.turn != turn:
            return
        if self._awaits_first:
            self._awaits_first = False
            await self.stop_ttfb_metrics()
        sound = TTSAudioRawFrame(_pcm(beat.sound), face.sample_rate, 1, self._context)
        sound.transport_destination = self._destination
        sound.interruptible = not self._is_protected
        await self.push_frame(sound)

    def _report(self, error: Exception) -> None:
        self.create_task(self.push_error(f"the avatar could not say this: {error}", error))

    async def stop_showing(self) -> None:
        """Free the face and its thread. Safe to call twice."""
        face, task = self._face, self._show_task
        self._face = self._show_task = None
        if face is not None:
            await face.close()
        if task is not None:
            await self.cancel_task(task)

    async def cancel(self, frame: CancelFrame) -> None:
        """Stop at once."""
        await super().cancel(frame)
        await self.stop_showing()

    async def cleanup(self) -> None:
        """Free what is left."""
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self.stop_showing()


def _floats(frame: TTSAudioRawFrame) -> Floats:
    """Samples (n, channels)."""
    samples = np.frombuffer(frame.audio, np.int16).reshape(-1, frame.num_channels)
    return samples.astype(np.float32) / np.float32(32768)


def _pcm(sound: Floats) -> bytes:
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16).tobytes()
