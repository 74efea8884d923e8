"""The responder `faq`: answers from question-answer bases, word for word, or says that it cannot."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from visavis.core.errors import LanguageUnsupported, TextUnusable
from visavis.core.language import detect_language
from visavis.core.types import Emotion, Language, Message
from visavis.knowledge.base import Base, find_languages, load_base
from visavis.knowledge.fusion import Fusion
from visavis.knowledge.live import LiveKnowledge, load_reranker
from visavis.knowledge.search import KnowledgeIndex, Match
from visavis.knowledge.text import (
    clean_question,
    is_other_term,
    says_nothing,
    split_sentences,
)
from visavis.knowledge.vectors import Encoder
from visavis.stages.responders.answer_emotions import make_key, map_emotions
from visavis.stages.responders.phrases import (
    CHOICE,
    HINT,
    NEITHER,
    ORDINALS,
    REFUSAL,
    TOPICS,
    YES,
    close_question,
)

logger = logging.getLogger(__name__)

Outcome: TypeAlias = Literal["answer", "choice", "hint", "refusal"]

_CANDIDATES = 3
_SURE = 0.985
"""Confidence from which even a term that several pairs share is answered."""
_NEARLY = 0.85
"""Part of the best score from which another candidate is offered too."""
_SENTENCES_TRIED = 8
_FOLLOW_UP_LIMIT = 60
"""Characters; a longer question says by itself what it is about."""
_SMALL_TALK = "small-talk"

_REFUSED_EMOTION: Emotion = "sad"
_REFUSED_INTENSITY = 0.3


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to a question, and where it comes from.

    Attributes:
        text: What is said.
        language: In which language: always the one asked in.
        outcome: An answer of the base; a choice between two or three questions or a hint at one,
            where it is not sure enough which is meant; a refusal.
        match: The pair that the text is the answer of; None for a refusal.
        confidence: Estimated chance that the best candidate is what was meant, 0..1.
        candidates: The nearest pairs, best first, answered or not.
        emotion: How it is said.
        intensity: Of the emotion, 0..1.
    """

    text: str
    language: Language
    outcome: Outcome
    match: Match | None
    confidence: float
    candidates: tuple[Match, ...]
    emotion: Emotion
    intensity: float

    @property
    def source(self) -> str:
        """What the answer cites: the source of the pair, or empty."""
        return self.match.pair.source if self.match is not None else ""


class FaqResponder:
    """Answers from a question-answer base, and says so where the base has no answer.

    Nothing is kept between calls: sessions may share one responder.
    """

    def __init__(
        self,
        bases: Sequence[Path] | None = None,
        *,
        store: str = "",
        only: Sequence[str] = (),
        encoder: Encoder | None = None,
        second: Mapping[Language, Encoder] | None = None,
        fusion: Mapping[Language, Fusion] | None = None,
        reranker: str = "",
        cache: Path | None = None,
    ) -> None:
        """Read the bases; vectors are made with the first question, or with ``prepare``.

        Args:
            bases: JSON Lines files, and no store.
            store: Path or URL of a knowledge store; where it is empty, the store of this user if
                there is one, and else the shipped samples.
            only: Names of the store's bases that are answered from; all by default.
            encoder: Makes sentence vectors; the Universal Sentence Encoder by default.
            second: Further encoders, each for one language; those that were pulled by default.
            fusion: Weights and thresholds, by language; learnt from the bases by default.
            reranker: Folder of a cross-encoder that orders what is found first; empty for none.
            cache: Folder of cached vectors; the user's own by default.

        Raises:
            FileUnreadable: A base cannot be read, or a row is wrong.
            ConfigError: The store cannot be used, or has no such base.
            AssetError: The folder holds no cross-encoder.
        """
        self.knowledge = LiveKnowledge(
            None if bases is None else [load_base(path) for path in bases],
            place=store,
            only=only,
            encoder=encoder,
            second=second,
            fusion=fusion,
            reranker=load_reranker(reranker) if reranker else None,
            cache=cache,
        )
        self._emotions: tuple[tuple[Base, ...], dict[str, Emotion]] = ((), {})

    @property
    def bases(self) -> tuple[Base, ...]:
        """The bases that it answers from."""
        return self.knowledge.bases

    def prepare(self) -> KnowledgeIndex:
        """Load the encoders and the vectors, once; seconds without a cache."""
        return self.knowledge.prepare()

    async def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        """Yield the answer sentence by sentence; joined, the pieces are the answer.

        Raises:
            TextUnusable: There is no question, or no word in it, or it is too long.
            LanguageUnsupported: It is written in neither Chinese nor Latin letters.
        """
        for sentence in split_sentences(self.answer(history).text):
            yield sentence

    def answer(self, history: Sequence[Message]) -> Answer:
        """Answer the last message, with what the answer cites and what else came near.

        Args:
            history: The dialogue. The last message is the user's; of the others, only the question
                before matters: "yes" or "the second" takes what it was met with, and "how much is it?"
                means what it was about.

        Raises:
            TextUnusable: There is no question, or no word in it, or it is too long.
            LanguageUnsupported: It is written in neither Chinese nor Latin letters.
        """
        if not history or history[-1].role != "user":
            raise TextUnusable(
                "there is no question to answer; the last message must be the user's"
            )
        language = _language_of(history)
        question = clean_question(history[-1].text)
        if (taken := self._taken_offer(history, question)) is not None:
            return taken
        alone = self._respond(question, language)
        if alone.outcome == "answer":
            return alone
        return self._follow_up(history, question, language) or alone

    def emotion_of(self, sentence: str) -> Emotion | None:
        """Suggest how a sentence of an answer is said: as its pair says, regret for refusals."""
        key = make_key(sentence)
        if not key:
            return None
        bases = self.bases
        if self._emotions[0] is not bases:
            self._emotions = (bases, map_emotions(bases))
        return self._emotions[1].get(key)

    def foreseeable(self) -> Iterator[tuple[str, Language]]:
        """Yield everything that it can answer: refusals, answers, then hints and offered questions."""
        bases = self.bases
        for language in find_languages(bases):
            yield self._refuse(language).text, language
        pairs = [pair for base in bases for pair in base.pairs if not pair.is_gap]
        for pair in pairs:
            yield pair.answer, pair.language
        for pair in pairs:
            if pair.topic == _SMALL_TALK:
                continue
            joint = "" if pair.language == "zh" else " "
            offered = close_question(pair.question, pair.language)
            yield HINT[pair.language].format(offered), pair.language
            yield (
                joint.join([CHOICE[pair.language], offered, NEITHER[pair.language]]),
                pair.language,
            )

    def _respond(self, question: str, language: Language) -> Answer:
        index = self.prepare()
        if language not in index.languages:
            return self._refuse(language)
        matches = self._find(index, question, language)
        best = matches[0] if matches else None
        fusion = index.fusion[language]
        sure = best is not None and best.confidence >= _SURE
        if says_nothing(question) and (best is None or best.confidence < fusion.threshold):
            return self._refuse(language, matches)
        if not sure and index.is_ambiguous(question, language):
            offers = [match for match in matches if match.pair.topic != _SMALL_TALK]
            if len(offers) > 1:
                return _ask_back(offers, language)
            return self._refuse(language, matches)
        vague = best is not None and not sure and is_other_term(question, best.pair.wordings)
        if best is not None and best.confidence >= fusion.threshold and not vague:
            return _answered(best, matches, language)
        if best is not None and best.confidence >= fusion.hint:
            offers = [match for match in matches if match.pair.topic != _SMALL_TALK]
            near = [match for match in offers if match.score >= _NEARLY * offers[0].score]
            if near:
                return _ask_back(near, language)
        return self._refuse(language, matches)

    def _find(self, index: KnowledgeIndex, question: str, language: Language) -> list[Match]:
        """Search for the whole question; where that is too weak, for each of its sentences."""
        matches = index.search(question, language, _CANDIDATES)
        if matches and matches[0].confidence >= index.fusion[language].threshold:
            return matches
        sentences = [s for s in split_sentences(question) if sum(c.isalnum() for c in s) > 1]
        if len(sentences) < 2:
            return matches
        for sentence in sentences[-_SENTENCES_TRIED:]:
            found = [
                match
                for match in index.search(sentence, language, _CANDIDATES)
                if match.pair.topic != _SMALL_TALK
            ]
            if found and (not matches or found[0].confidence > matches[0].confidence):
                matches = found
        return matches

    def _taken_offer(self, history: Sequence[Message], question: str) -> Answer | None:
        """Answer "yes" to a hint, or "the second" to a choice, with the question that was offered.

        What was offered is found by answering the question before once more, so that nothing needs to
        be remembered.
        """
        key = make_key(question)
        number = next((n for n, words in enumerate(ORDINALS) if words.fullmatch(key)), None)
        if len(history) < 3 or (number is None and not YES.fullmatch(key)):
            return None
        offer, asked = history[-2], history[-3]
        if offer.role != "assistant" or asked.role != "user":
            return None
        try:
            earlier = self._respond(clean_question(asked.text), _language_of(history[:-2]))
        except (TextUnusable, LanguageUnsupported):
            return None
        expected: Outcome = "hint" if number is None else "choice"
        if earlier.outcome != expected or make_key(earlier.text) != make_key(offer.text):
            return None
        if (number or 0) >= len(earlier.candidates):
            return None
        taken = earlier.candidates[number or 0]
        return _answered(taken, earlier.candidates, earlier.language)

    def _follow_up(
        self, history: Sequence[Message], question: str, language: Language
    ) -> Answer | None:
        """Read a question that says too little by itself together with the one before.

        Only another pair of the same topic counts: where both together lead back to the pair that was
        answered before, the new words were about something else.
        """
        earlier = [message.text for message in history[:-1] if message.role == "user"]
        if not earlier or len(question) > _FOLLOW_UP_LIMIT:
            return None
        try:
            before = clean_question(earlier[-1])
            if detect_language(before) != language:
                return None
            previous = self._respond(before, language)
        except TextUnusable:
            return None
        if previous.match is None:
            return None
        index = self.prepare()
        matches = index.search(f"{before[-_FOLLOW_UP_LIMIT:]} {question}", language, _CANDIDATES)
        told, fusion = previous.match.pair, index.fusion[language]
        if not matches:
            return None
        best = matches[0]
        if best.pair.id == told.id or best.pair.topic != told.topic:
            return None
        if best.confidence < 0.25 * fusion.hint + 0.75 * fusion.threshold:
            return None
        return _answered(best, matches, language)

    def _refuse(self, language: Language, candidates: Sequence[Match] = ()) -> Answer:
        text = REFUSAL[language]
        if language in find_languages(self.bases):
            joint = "" if language == "zh" else " "
            text += joint + TOPICS[language].format(self._examples(language))
        return Answer(
            text=text,
            language=language,
            outcome="refusal",
            match=None,
            confidence=candidates[0].confidence if candidates else 0.0,
            candidates=tuple(candidates),
            emotion=_REFUSED_EMOTION,
            intensity=_REFUSED_INTENSITY,
        )

    def _examples(self, language: Language) -> str:
        """Name the first question of the base's first topics, as a taste of what it can answer."""
        firsts: dict[str, str] = {}
        for base in self.bases:
            for pair in base.pairs:
                if pair.language == language and not pair.is_gap and pair.topic != _SMALL_TALK:
                    firsts.setdefault(pair.topic, pair.question)
        chosen = [close_question(question, language) for question in list(firsts.values())[:2]]
        return ("" if language == "zh" else " ").join(chosen)


def _ask_back(candidates: Sequence[Match], language: Language) -> Answer:
    """Ask which of the candidates is meant, or whether the only one is."""
    questions = [close_question(match.pair.question, language) for match in candidates]
    joint = "" if language == "zh" else " "
    if len(questions) == 1:
        text = HINT[language].format(questions[0])
    else:
        text = joint.join([CHOICE[language], *questions, NEITHER[language]])
    return Answer(
        text=text,
        language=language,
        outcome="hint" if len(questions) == 1 else "choice",
        match=None,
        confidence=candidates[0].confidence,
        candidates=tuple(candidates),
        emotion="neutral",
        intensity=_REFUSED_INTENSITY,
    )


def _answered(match: Match, candidates: Sequence[Match], language: Language) -> Answer:
    pair = match.pair
    return Answer(
        text=pair.answer,
        language=language,
        outcome="answer",
        match=match,
        confidence=match.confidence,
        candidates=tuple(candidates),
        emotion=pair.emotion,
        intensity=pair.intensity,
    )


def _language_of(history: Sequence[Message]) -> Language:
    """Return the language of the last message, or of an earlier one where it has no letters.

    Raises:
        LanguageUnsupported: Most of its letters are of another script.
    """
    for message in reversed(history):
        if message.role != "user":
            continue
        letters = [c for c in message.text[:2_000] if unicodedata.category(c).startswith("L")]
        if not letters:
            continue
        readable = sum(1 for c in letters if _is_readable(c))
        if readable * 2 < len(letters):
            if message is not history[-1]:
                continue  # it was refused when it was asked
            raise LanguageUnsupported(
                "the question is written in neither Chinese nor Latin letters;"
                " ask in Chinese or English"
            )
        return detect_language(message.text)
    return "zh"


def _is_readable(char: str) -> bool:
    return unicodedata.name(char, "").startswith(("LATIN", "CJK", "FULLWIDTH LATIN"))
