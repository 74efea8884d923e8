"""A pipecat pipeline with our face in it, filmed: a sound file in, a video out. No network, no keys.

    pip install 'visavis[pipecat]' && visavis models pull
    python examples/pipecat_film.py speech.wav film.mp4 [avatar]

In a call the last processor is your transport's output instead of the camera.
"""

import asyncio
import sys
import wave

import numpy as np
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    OutputImageRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from visavis.apps.adapters.opening import Look
from visavis.apps.adapters.pipecat import AvatarVideoService
from visavis.core.types import Segment, VideoFrame, Waveform
from visavis.media.video_writer import VideoWriter

RATE = 24_000


class Camera(FrameProcessor):
    """Films what a user of the call would see and hear while the avatar speaks."""

    def __init__(self, writer: VideoWriter) -> None:
        super().__init__()
        self.writer = writer
        self.image: OutputImageRawFrame | None = None
        self.count = 0
        self.is_started = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Keep the newest image; write it with the 40 ms of sound that follow it."""
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self.is_started.set()
        elif isinstance(frame, OutputImageRawFrame):
            self.image = frame
        elif isinstance(frame, TTSAudioRawFrame) and self.image is not None:
            width, height = self.image.size
            image = np.frombuffer(self.image.image, np.uint8).reshape(height, width, 3)
            samples = np.frombuffer(frame.audio, np.int16).astype(np.float32) / 32768
            sound = Waveform(samples, RATE, self.count * len(samples))
            self.writer.write(Segment(0, sound, (VideoFrame(image, self.count),)))
            self.count += 1
        await self.push_frame(frame, direction)


async def film(sound: str, video: str, look: Look) -> int:
    """Have a sound file said, and return how many frames were filmed."""
    with wave.open(sound) as file:
        rate, channels = file.getframerate(), file.getnchannels()
        voice = TTSAudioRawFrame(file.readframes(file.getnframes()), rate, channels)
    with VideoWriter(video) as writer:
        camera = Camera(writer)
        worker = PipelineWorker(Pipeline([AvatarVideoService(look, sample_rate=RATE), camera]))
        runner = WorkerRunner()
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        await camera.is_started.wait()
        await worker.queue_frames([TTSStartedFrame(), voice, TTSStoppedFrame(), EndFrame()])
        await running
    return camera.count


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    made = asyncio.run(film(sys.argv[1], sys.argv[2], Look(*sys.argv[3:])))
    print(f"{sys.argv[2]}: {made / 25:.1f} s")  # noqa: T201
