"""A whole conversation with somebody who is moved: real voices, a real recogniser, a model over HTTP."""

import numpy as np
import pytest
from chat_server import ChatServer, streamed

from visavis.core import registry
from visavis.core.types import Sentence, Waveform
from visavis.knowledge.live import share_encoder
from visavis.media.resampling import resample
from visavis.pipeline.conversation import Conversation
from visavis.pipeline.manner import Manner
from visavis.stages import fakes
from visavis.stages.mood.answer_manner import respond_to
from visavis.stages.mood.answer_marking import AnswerMarker
from visavis.stages.mood.mood import Mood
from visavis.stages.mood.reader import MoodReader
from visavis.stages.responders.attuned import AttunedResponder
from visavis.stages.responders.language_model import LanguageModelResponder
from visavis.stages.synthesizers.kokoro import KokoroSynthesizer

pytestmark = pytest.mark.assets

VOICE = "zf_xiaohe"
ANSWER = ("[happy] 我来帮您！", "很抱歉听到这件事。", "请先打电话挂失。")


def speak(text: str, voice: str = VOICE) -> Waveform:
    pieces = KokoroSynthesizer().iterate(Sentence(0, 0, text, "zh"), voice)
    sound = np.concatenate([piece.audio.samples for piece in pieces])
    return resample(Waveform(sound, 24_000), 16_000)


@pytest.mark.slow
async def test_fear_reaches_prompt_voice_and_face() -> None:
    encoder = share_encoder()
    with ChatServer([streamed(*ANSWER)]).run() as server:
        model = LanguageModelResponder(server.url, "m", "key")
        responder = AttunedResponder(model, MoodReader(encoder), AnswerMarker(encoder))
        conversation = Conversation(
            fakes.PaintingAnimator().open(fakes.make_avatar()),
            KokoroSynthesizer(),
            responder,
            registry.load("recognizers", "whisper")(),
            manner=Manner({"zh": VOICE, "en": "af_heart"}),
        )
        said: list[list[tuple[str, str, float]]] = []
        lengths = []
        async with conversation:
            for question in ("挂失要去哪里办理？", "我的钱包丢了，我好害怕。"):
                turn = conversation.ask_audio(speak(question, "zm_yunjian"))
                segments = [segment async for segment in conversation.play(turn)]
                said.append([(s.text, s.emotion, s.rate) for s in turn.sentences])
                lengths.append(sum(segment.audio.duration for segment in segments))
    plain, moved = said
    assert plain == [
        ("我来帮您！", "happy", 1.0),
        ("很抱歉听到这件事。", "sad", 1.0),
        ("请先打电话挂失。", "neutral", 1.0),
    ]
    assert responder.mood.emotion == "fear"
    assert [(text, emotion) for text, emotion, _ in moved] == [
        (text, emotion) for text, emotion, _ in plain
    ]
    assert {rate for _, _, rate in moved} == {responder.manner.rate}
    assert responder.manner.rate < 0.96
    asked = [request["messages"][0]["content"] for request in server.requests]
    told = respond_to(Mood("fear", 1.0, 1.0)).prompt_zh
    assert [told in content for content in asked] == [False, True]
    assert lengths[1] > 1.02 * lengths[0]
    assert "[happy]" not in " ".join(m.text for m in conversation.history)
