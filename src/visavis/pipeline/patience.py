"""How long things are waited for when two take turns to speak."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things are waited for, in seconds.

    Attributes:
        on: Probability from which a chunk is speech.
        off: Probability below which it is silence.
        begin: Speech after which somebody is taken to speak.
        hush: Speech after which the face holds its tongue until it is clear who speaks.
        hushed: How long it does so at most.
        click: Silence after which it goes on where what it heard was shorter than ``begin``.
        outlasts: Speech that is still heard so long after is not its own: a player, the air and the
            way back take less.
        barge_in: Speech after which the face is interrupted.
        proof: Speech after which the face is interrupted though its own echo is heard, when no more
            than some of the words understood are its own.
        noise: Silence after which a start that never became speech is forgotten.
        guess: Silence after which the transcript is made, in case the turn is over.
        finished: Silence that ends a turn whose words read like a whole question.
        usual: Silence that ends any other turn.
        unfinished: Silence that ends a turn that stops in the middle of a phrase.
        settled: How long a partial transcript must have stood still to be trusted.
        shortest: Speech that a turn must hold.
        longest: A turn is cut after this.
        margin: Sound kept before a turn, for soft consonants.
        echo_tail: How long after the face's last sound its echo may still come in.
    """

    on: float = 0.5
    off: float = 0.35
    begin: float = 0.16
    hush: float = 0.03
    hushed: float = 0.9
    click: float = 0.12
    outlasts: float = 0.45
    barge_in: float = 0.25
    proof: float = 0.8
    noise: float = 0.3
    guess: float = 0.16
    finished: float = 0.35
    usual: float = 0.6
    unfinished: float = 1.2
    settled: float = 0.1
    shortest: float = 0.2
    longest: float = 28.0
    margin: float = 0.3
    echo_tail: float = 0.7
