import numpy as np

from visavis.core.types import FPS, Segment, Sentence, Speech, VideoFrame, Waveform
from visavis.pipeline.turn import Turn

RATE = 24_000
SENTENCE = Sentence(1, 0, "What can I do for you?", "en")


def _delivered(seconds=4):
    turn = Turn(1)
    sound = Waveform(np.zeros(RATE * seconds, np.float32), RATE)
    turn.note_speech(Speech(1, SENTENCE, sound))
    image = np.zeros((2, 2, 3), np.uint8)
    for index in range(0, FPS * seconds, 5):
        part = Waveform(np.zeros(RATE // 5, np.float32), RATE, index * RATE // FPS)
        frames = tuple(VideoFrame(image, index + i) for i in range(5))
        turn.note_delivered(Segment(1, part, frames, SENTENCE))
    turn.state = "complete"
    return turn


def test_a_player_that_stands_in_the_middle_has_heard_half():
    turn = _delivered()
    turn.note_played(1.0)
    assert turn.heard().endswith("…")


def test_a_player_a_little_behind_a_turn_that_was_sent_has_heard_it_all():
    turn = _delivered()
    turn.note_played(3.0)
    turn.note_sent()
    assert turn.heard() == SENTENCE.text


def test_a_player_that_stopped_long_before_the_end_has_not():
    turn = _delivered()
    turn.note_sent()
    turn.note_played(1.0)
    assert turn.heard().endswith("…")
