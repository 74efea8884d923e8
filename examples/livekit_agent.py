"""A LiveKit agent with our face and voice: it greets whoever joins.

    pip install 'visavis[livekit]' && visavis models pull
    livekit-server --dev                   # or any LiveKit server
    LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=secret \
        python examples/livekit_agent.py dev

With your own recogniser, language model and voice in the AgentSession it answers, too.
"""

from collections.abc import AsyncIterator

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli
from livekit.agents.voice.avatar import AvatarRunner, QueueAudioOutput
from livekit.agents.voice.room_io import RoomOptions

from visavis.apps.adapters.livekit import AvatarGenerator
from visavis.apps.adapters.opening import Look
from visavis.apps.assemble import DEFAULT_VOICES, VoiceRouter
from visavis.core.types import Sentence

GREETING = "Hello, I am glad that you are here."

server = AgentServer()


async def speak(text: str) -> AsyncIterator[rtc.AudioFrame]:
    """Say a text in our own voice."""
    sentence = Sentence(0, 0, text, "en")
    async for speech in VoiceRouter().speak(sentence, DEFAULT_VOICES["en"]):
        pcm = np.clip(speech.audio.samples * 32767, -32768, 32767).astype(np.int16)
        yield rtc.AudioFrame(pcm.tobytes(), speech.audio.sample_rate, 1, len(pcm))


@server.rtc_session()
async def greet(job: JobContext) -> None:
    """Join the room, show the face and say hello."""
    await job.connect()
    face = await AvatarGenerator.open(Look())
    audio = QueueAudioOutput(wait_playback_start=True)
    runner = AvatarRunner(job.room, audio_recv=audio, video_gen=face, options=face.options)
    await runner.start()
    job.add_shutdown_callback(runner.aclose)
    job.add_shutdown_callback(face.aclose)

    session: AgentSession = AgentSession()
    session.output.audio = audio  # what the agent says goes through the face
    agent = Agent(instructions="You greet people.")
    await session.start(agent, room=job.room, room_options=RoomOptions(audio_output=False))
    await session.say(GREETING, audio=speak(GREETING))


if __name__ == "__main__":
    cli.run_app(server)
