"""Speech to text by Vosk: words while they are spoken, without punctuation."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from visavis.core.language import is_han
from visavis.core.types import Floats, Language, Respell, Transcript, Waveform, Word
from visavis.models.assets import locate
from visavis.models.silero.predictor import SAMPLE_RATE
from visavis.stages.recognizers.turns import Listener, Turn

log = logging.getLogger(__name__)

_Words: TypeAlias = list[dict[str, Any]]
"""As Vosk gives them: word, start, end, conf."""

LANGUAGES: tuple[Language, ...] = ("zh", "en")
_PAUSE = 0.6
_LONGEST = 30.0
_DECIDE_AFTER = 2.0
"""Seconds of a turn after which its language is decided."""
_FOLLOW_AFTER = 1.2
"""The same where words are shown at once and a wrong language shows."""
_BYTES_AT_ONCE = 6400
_FRAGMENT = 0.5
"""Mean confidence below which a turn of one word is taken for a noise."""


class VoskRecognizer:
    """Vosk small models: partial results while somebody speaks, with word times.

    Partial transcripts grow while a turn goes on; a final one ends it. Texts have no punctuation.

    Args:
        language: What is spoken. ``auto`` runs both models over the first two seconds of each turn
            and goes on with the one that is surer of its words; partial results begin after that.
        respell: Changes final transcripts before they are given out, or None.
    """

    def __init__(
        self, language: Language | Literal["auto"] = "auto", *, respell: Respell | None = None
    ) -> None:
        self._languages = LANGUAGES if language == "auto" else (language,)
        self._respell = respell

    async def transcribe(self, audio: AsyncIterator[Waveform]) -> AsyncIterator[Transcript]:
        """Yield partial and final transcripts of each turn.

        Raises:
            AudioSilent: No speech was in it.
            AudioTooShort: Less than a tenth of a second came.
            MissingWeights: The models are not on this machine.
        """
        models = {language: _load(locate(f"vosk-{language}")) for language in self._languages}
        listener = Listener(pause=_PAUSE, longest=_LONGEST)
        talk = _Talk(models, listener)
        heard = False
        async for sound in audio:
            for transcript in talk.hear(sound):
                heard = heard or transcript.is_final
                yield self._write(transcript)
        for transcript in talk.finish():
            heard = True
            yield self._write(transcript)
        if not heard:
            listener.refuse()

    def _write(self, heard: Transcript) -> Transcript:
        return self._respell(heard) if self._respell is not None and heard.is_final else heard


class _Talk:
    """One stream. A turn waits until its language is decided, then goes to that model."""

    def __init__(self, models: dict[Language, Any], listener: Listener) -> None:
        self._models = models
        self._listener = listener
        self._decoder: _Decoder | None = None
        self._start = 0
        self._fed_to = 0
        self._partial = ""

    def hear(self, sound: Waveform) -> list[Transcript]:
        transcripts = [t for turn in self._listener.hear(sound) for t in self._end(turn)]
        start = self._listener.turn_start
        if start is None:
            return transcripts
        if self._decoder is None:
            # A turn that was cut for its length goes on where the model has heard up to.
            start = max(start, self._fed_to)
            undecided = len(self._models) > 1
            if undecided and self._listener.position - start < _DECIDE_AFTER * SAMPLE_RATE:
                return transcripts
            self._begin(start, self._listener.since(start))
        self._feed(self._listener.since(self._fed_to))
        return transcripts + self._show_partial()

    def finish(self) -> list[Transcript]:
        return [t for turn in self._listener.finish() for t in self._end(turn)]

    def _begin(self, start: int, sound: Floats) -> None:
        self._decoder = self._choose(sound)
        self._start = self._fed_to = start
        self._partial = ""

    def _choose(self, sound: Floats) -> _Decoder:
        """Decide by how sure each model is of its words; only a final result tells that."""
        if len(self._models) == 1:
            return _Decoder(*next(iter(self._models.items())))
        scores = {}
        for language, model in self._models.items():
            trial = _Decoder(language, model)
            trial.feed(sound)
            scores[language] = _confidence(trial.finish())
        best = max(scores, key=lambda language: scores[language])
        log.info("heard %s (confidence %s)", best, scores)
        return _Decoder(best, self._models[best])

    def _feed(self, samples: Floats) -> None:
        assert self._decoder is not None
        self._decoder.feed(samples)
        self._fed_to += len(samples)

    def _show_partial(self) -> list[Transcript]:
        assert self._decoder is not None
        words = self._decoder.words_so_far()
        language = self._decoder.language
        text = join_words([w["word"] for w in words], language)
        if not text or text == self._partial:
            return []
        self._partial = text
        return [self._transcript(words, language, is_final=False)]

    def _end(self, turn: Turn) -> list[Transcript]:
        if self._decoder is None:
            start = max(turn.start, self._fed_to)
            self._begin(start, turn.samples[start - turn.start :])
        assert self._decoder is not None
        if turn.start + len(turn.samples) > self._fed_to:
            self._feed(turn.samples[self._fed_to - turn.start :])
        words, language = self._decoder.finish(), self._decoder.language
        self._decoder = None
        if not words or (len(words) == 1 and words[0]["conf"] < _FRAGMENT):
            return []
        return [self._transcript(words, language, is_final=True)]

    def _transcript(self, found: _Words, language: Language, *, is_final: bool) -> Transcript:
        begin = self._listener.seconds(self._start)
        words = tuple(Word(w["word"], begin + w["start"], begin + w["end"]) for w in found)
        return Transcript(
            join_words([w.text for w in words], language),
            is_final=is_final,
            start=words[0].start,
            end=words[-1].end,
            language=language,
            words=words,
        )


class WordFollower:
    """The words of one turn after the other while they are spoken, with no voice detection of its own.

    Args:
        language: What is spoken. With ``auto`` both models listen to the first second of a turn,
            and the one that is surer of its words goes on; not once the language is ``settled``,
            because two models take twice the time.
        guess: The language whose words are shown until that is decided.
    """

    def __init__(
        self, language: Language | Literal["auto"] = "auto", guess: Language = "zh"
    ) -> None:
        languages = LANGUAGES if language == "auto" else (language,)
        self._models = {name: _load(locate(f"vosk-{name}")) for name in languages}
        self.language: Language = guess if language == "auto" else language
        self._expected: Language | None = None
        self.begin()

    def settle(self, language: Language) -> None:
        """Say in which language the last turn was; may be called on any thread."""
        self._expected = language

    def begin(self) -> None:
        """A new turn begins."""
        expected, known = self._expected, self.language
        self.language = expected if expected in self._models else known
        names = [known] if expected == known else list(self._models)
        self._trials = {name: self._decode(name) for name in names}
        self._sound: list[Floats] = []
        self._decoder = self._trials.pop(self.language)

    def follow(self, samples: Floats) -> str:
        """Take the next samples at 16 kHz and give the words so far."""
        self._decoder.feed(samples)
        if self._trials:
            self._sound.append(samples)
            for trial in self._trials.values():
                trial.feed(samples)
            if sum(map(len, self._sound)) >= _FOLLOW_AFTER * SAMPLE_RATE:
                self._decide()
        return self._decoder.text_so_far()

    def _decode(self, language: Language) -> _Decoder:
        # Times of words that may still change cost as much as finding them.
        return _Decoder(language, self._models[language], partial_words=False)

    def _decide(self) -> None:
        trials = {self.language: self._decoder, **self._trials}
        scores = {name: _confidence(trial.finish()) for name, trial in trials.items()}
        self._trials = {}
        self.language = max(scores, key=lambda name: scores[name])
        # Finishing ended both; the one that goes on hears the beginning once more.
        self._decoder = self._decode(self.language)
        for samples in self._sound:
            self._decoder.feed(samples)
        self._sound = []


class _Decoder:
    """One model over one turn. Vosk ends utterances by itself, so a turn may have several."""

    def __init__(self, language: Language, model: Any, *, partial_words: bool = True) -> None:
        self.language = language
        self._decoder = _make_decoder(model, partial_words)
        self._words: _Words = []

    def feed(self, samples: Floats) -> None:
        pcm = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        for start in range(0, len(pcm), _BYTES_AT_ONCE):
            if self._decoder.AcceptWaveform(pcm[start : start + _BYTES_AT_ONCE]):
                self._words += _read(self._decoder.Result(), "result")

    def words_so_far(self) -> _Words:
        return self._words + _read(self._decoder.PartialResult(), "partial_result")

    def text_so_far(self) -> str:
        newest = json.loads(self._decoder.PartialResult()).get("partial", "").split()
        return join_words([w["word"] for w in self._words] + newest, self.language)

    def finish(self) -> _Words:
        return self._words + _read(self._decoder.FinalResult(), "result")


def _make_decoder(model: Any, partial_words: bool) -> Any:
    from vosk import KaldiRecognizer

    decoder = KaldiRecognizer(model, SAMPLE_RATE)
    decoder.SetWords(True)
    decoder.SetPartialWords(partial_words)
    return decoder


def _read(answer: str, key: str) -> _Words:
    words: _Words = json.loads(answer).get(key, [])
    return words


def join_words(words: Sequence[str], language: Language) -> str:
    """Write words as a text: Chinese without blanks, Latin words apart from one another."""
    text = ""
    for word in words:
        if text and not (language == "zh" and (is_han(text[-1]) or is_han(word[0]))):
            text += " "
        text += word
    return text


def _confidence(words: _Words) -> float:
    """Mean confidence, weighted by how long each word lasts."""
    total = sum(w["end"] - w["start"] for w in words)
    return sum(w["conf"] * (w["end"] - w["start"]) for w in words) / total if total else 0.0


@lru_cache(maxsize=4)
def _load(folder: Path) -> Any:
    import vosk

    vosk.SetLogLevel(-1)
    model = vosk.Model(str(folder))
    log.info("Vosk reads %s", folder)
    return model
