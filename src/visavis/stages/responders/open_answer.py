"""A model's free answer while it is being looked at: it rests on nothing, but some things are not said."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from visavis.core.types import Language, Said
from visavis.stages.responders.grounding_check import find_addresses, take_marks
from visavis.stages.responders.leaks import LeakScan
from visavis.stages.responders.model_sentences import WrittenSentence
from visavis.stages.responders.phrases import NOTHING
from visavis.stages.responders.unsafe import DECLINED, judge_answer

logger = logging.getLogger(__name__)


class OpenAnswer:
    """Takes the sentences of a model and gives those that may be said."""

    def __init__(self, question: str, language: Language, rules: Sequence[str]) -> None:
        self._question = question
        self._leaks = LeakScan(rules)
        self._language: Language = language
        self.spoken = 0
        """Sentences that were given."""
        self.ended = False
        """Whether nothing more is given."""
        self.excuse = NOTHING[language]
        """What is said where nothing was given."""

    def take(self, sentence: WrittenSentence) -> Iterator[Said]:
        """Take a sentence and yield it, if it may be said; one with an unknown address is left out."""
        said, _ = take_marks(sentence.text)
        if self.ended or not any(map(str.isalnum, said)):
            return
        harm = judge_answer(said, self._question)
        if harm or self._leaks.finds(said, sentence.raw):
            logger.info("a model's answer ends: %s", harm or "leak")
            self.ended, self.excuse = True, DECLINED[self._language]
            return
        if any(a.casefold() not in self._question.casefold() for a in find_addresses(said)):
            logger.info("a sentence of a model names an address of its own; left out")
            return
        self.spoken += 1
        yield Said(said if sentence.is_last else said + "\n", sentence.emotion)
