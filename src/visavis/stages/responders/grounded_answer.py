"""An answer from passages while it is being checked, sentence by sentence."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from visavis.core.types import Language, Said
from visavis.knowledge.text import split_sentences
from visavis.stages.responders.disguises import fold
from visavis.stages.responders.figures import find_figures
from visavis.stages.responders.grounding_check import (
    Evidence,
    Fault,
    attribute_sentence,
    count_units,
    measure_support,
    take_marks,
)
from visavis.stages.responders.grounding_prompt import Quoted
from visavis.stages.responders.kind_words import is_kind
from visavis.stages.responders.leaks import LeakScan
from visavis.stages.responders.model_sentences import WrittenSentence
from visavis.stages.responders.unsafe import judge_answer

logger = logging.getLogger(__name__)

AnswerFault: TypeAlias = Fault | Literal["", "no answer", "leak", "unsafe"]

_PENDING = 3
"""Sentences that wait for a mark; more are an answer without citations."""
_KIND = 2
"""Sentences of sympathy in an answer; more are left out."""
_FILLER = 4
"""A sentence of fewer pairs or words, with neither figure nor mark, is small talk and left out."""
_EXCERPT: dict[Language, int] = {"zh": 120, "en": 320}
"""Characters of a passage that are read out."""

_NO_ANSWER = re.compile(
    r"(?:资料|文档|文件|信息|内容|提供的|上述|以上)(?:库)?(?:中|里|内)?(?:都|均|并|也|暂)?(?:没有|未|无|不包含|不含|没)"
    r"(?:有)?(?:明确|直接|具体)?(?:答案|提到|提及|提供|包含|说明|涉及|给出|写|相关|记载|关于)"
    r"|(?:无法|不能)(?:根据|从|依据)(?:资料|上述|以上|提供的)|(?:我)?(?:不知道|不清楚|无法回答|没法回答)"
    r"|not in the passages?|(?:passages?|documents?|sources?|information|text)(?: \w+){0,3} (?:do|does|did)(?: not|n't)"
    r"(?: \w+)? (?:say|mention|contain|provide|state|specify|include|answer|cover|give)"
    r"|(?:no|not enough|insufficient) (?:answer|information|mention)|i (?:do not|don't|cannot|can't) (?:know|answer|say|tell)"
)


class CheckedAnswer:
    """Takes the sentences of a model and gives those that hold; the first fault ends it.

    A sentence that names no passage, and of which none holds nearly all, waits for the next mark, because
    models set them at the end of a thought. After that, what has no mark rests on the passages named so far.
    Sympathy (`is_kind`) rests on none; it is given together with a sentence that holds, never alone.
    """

    def __init__(
        self, quoted: Sequence[Quoted], question: str, language: Language, rules: Sequence[str]
    ) -> None:
        self._evidence = Evidence([q.text for q in quoted], question, language)
        self._question = question
        self._leaks = LeakScan(rules)
        self._pending: list[Said] = []
        self._kind: list[Said] = []
        self._kind_count = 0
        self._named: set[int] = set()
        self.cited: list[int] = []
        """Numbers of the passages that what was given rests on, in that order."""
        self.spoken = 0
        """Sentences that were given, beside sympathy."""
        self.opens = False
        """Whether what was given last is the first that rests on passages."""
        self.fault: AnswerFault = ""
        """Why it ended; empty where it did not, or nothing was wrong."""

    @property
    def has_spoken(self) -> bool:
        """Whether anything was given."""
        return self.spoken > 0

    @property
    def ended(self) -> bool:
        """Whether nothing more is given."""
        return bool(self.fault)

    def take(self, sentence: WrittenSentence) -> Iterator[Said]:
        """Take a sentence and yield what can be said, with a line break where more may follow."""
        if self.ended:
            return
        said, numbers = take_marks(sentence.text)
        if self._is_wrong(said, sentence.raw):
            return
        self._named |= {n for n in numbers if 1 <= n <= len(self._evidence.passages)}
        if not numbers and is_kind(said, self._question, self._evidence.language):
            self._kind_count += 1
            if self._kind_count <= _KIND:
                self._kind.append(Said(said, sentence.emotion))
        elif any(map(str.isalnum, said)) and not self._is_filler(said, bool(numbers)):
            self._pending.append(Said(said, sentence.emotion))
        for i, waiting in enumerate(self._pending):
            rests_on, fault = attribute_sentence(waiting, self._named, self._evidence)
            if fault == "citation" and len(self._pending) <= _PENDING and not sentence.is_last:
                del self._pending[:i]
                return
            if fault is not None:
                self._end(fault)
                return
            self.cited += [n for n in sorted(rests_on) if n not in self.cited]
            yield from self._give_kind()
            self.spoken += 1
            self.opens = self.spoken == 1
            last = sentence.is_last and i == len(self._pending) - 1
            yield waiting if last else Said(waiting + "\n", waiting.emotion)
        self._pending.clear()
        if self.spoken:
            yield from self._give_kind()
        elif sentence.is_last:
            self._end("citation")

    def _give_kind(self) -> Iterator[Said]:
        self.opens = False
        for said in self._kind:
            yield Said(said + "\n", said.emotion)
        self._kind.clear()

    def _is_wrong(self, said: str, raw: str) -> bool:
        if _NO_ANSWER.search(fold(said)):
            self._end("no answer")
        elif self._leaks.finds(said, raw):
            self._end("leak")
        elif judge_answer(said, self._question):
            self._end("unsafe")
        return self.ended

    def _is_filler(self, said: str, marked: bool) -> bool:
        """Whether a sentence says nothing that could be compared: a bare "yes" is not said either."""
        if find_figures(said):
            return False
        return count_units(said, self._evidence.language) < (1 if marked else _FILLER)

    def _end(self, fault: AnswerFault) -> None:
        self.fault = fault
        logger.info("a model's answer ends: %s", fault)


def pick_sentences(text: str, question: str, language: Language) -> str:
    """Pick the stretch of a passage that has most in common with a question, not too long."""
    sentences = split_sentences(text)
    if len(text) <= _EXCERPT[language] or len(sentences) < 2:
        return text
    best, best_score = sentences[0], -1.0
    for start in range(len(sentences)):
        stretch = ""
        for sentence in sentences[start:]:
            if stretch and len(stretch) + len(sentence) > _EXCERPT[language]:
                break
            stretch += sentence
        score = measure_support(question, stretch, language)
        if score > best_score:
            best, best_score = stretch, score
    return best.strip()
