"""Answers from a base, its documents and, where allowed, a language model that is held to them.

A stored answer is said word for word. Else passages are put to the model as data, and each of its
sentences is compared with the passages that it names before it is said (`grounding_check`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from visavis.core.errors import ConfigError, Error, StageError, TextUnusable
from visavis.core.language import detect_language
from visavis.core.types import Emotion, Language, Message, Said
from visavis.knowledge.text import MAX_QUESTION, split_sentences
from visavis.stages.responders.chat_stream import ChatClient
from visavis.stages.responders.dialogue_window import fit_dialogue, read_budget
from visavis.stages.responders.grounded_answer import CheckedAnswer, pick_sentences
from visavis.stages.responders.grounding_prompt import (
    GROUNDED,
    OPEN,
    SPOKEN,
    Quoted,
    build_grounded_prompt,
    quote_passages,
    take_manner,
)
from visavis.stages.responders.model_sentences import Chat, stream_sentences
from visavis.stages.responders.open_answer import OpenAnswer
from visavis.stages.responders.passages import Retrieve, split_source
from visavis.stages.responders.persona import Mode, Persona
from visavis.stages.responders.phrases import REFUSAL
from visavis.stages.responders.told import Citation, Outcome, Tell, Told
from visavis.stages.responders.tool_chat import ToolChat
from visavis.stages.responders.tools import ToolBox
from visavis.stages.responders.unsafe import COMFORT, DECLINED, judge_question

logger = logging.getLogger(__name__)

ACCORDING: dict[Language, str] = {"zh": "根据《{0}》，", "en": "According to {0}, "}
VERBATIM: dict[Language, str] = {"zh": "资料里是这样写的：", "en": "The documents say: "}
READ: dict[Language, str] = {
    "zh": "《{0}》里是这样写的：",
    "en": "{0} says: ",
}
BEYOND: dict[Language, str] = {
    "zh": "这个问题的答案不在我的资料库里，下面是我自己的看法，仅供参考。",
    "en": "This is not from my knowledge base; it is only what I think.",
}

_FOLLOW_UP_LIMIT = 60
"""Characters; a longer question says by itself what it is about."""
_STARTERS = {
    "the", "it", "this", "that", "these", "those", "you", "your", "a", "an", "to", "in", "if",
    "there", "for", "on", "at", "all", "each", "please", "no", "yes", "we", "our",
}  # fmt: skip
"""First words of a sentence that are written small when something stands before them."""


class StoredAnswer(Protocol):
    """What a base says to a question; `FaqResponder`'s `Answer` is one."""

    @property
    def text(self) -> str:
        """What is said."""
        ...

    @property
    def outcome(self) -> str:
        """``answer``, ``refusal``, or a question back."""
        ...

    @property
    def confidence(self) -> float:
        """Of the best candidate, 0..1."""
        ...


class Stored(Protocol):
    """A base of stored answers, such as `FaqResponder`."""

    def answer(self, history: Sequence[Message]) -> StoredAnswer:
        """Answer the last message."""
        ...


class GroundedResponder:
    """Stored answers first, then a model that may only say what passages hold.

    In this order: a confident stored answer, said as it is written; a fixed sentence to questions that no
    model is to be asked; the base's question back; an answer from passages; in the mode ``open``, a free
    answer that says what it is; a refusal. Nothing is kept between calls: sessions may share one.
    """

    def __init__(
        self,
        retrieve: Retrieve | None,
        faq: Stored | None,
        model: Chat | None,
        *,
        mode: Mode | None = None,
        persona: Persona | None = None,
        threshold: float = 0.5,
        verbatim: float = 0.7,
        k: int = 4,
        tokens: int | None = None,
        max_characters: int = 1_200,
        thinking: bool = False,
        tools: ToolBox | None = None,
    ) -> None:
        """Check that what the mode needs is there.

        Args:
            retrieve: Finds passages; None for none.
            faq: Finds stored answers; None for none.
            model: A `ChatClient`, or what streams as it does; see `language_model.open_model`.
            mode: See `Persona`; the persona's by default, else ``grounded``.
            persona: Whose manner and rules the model is given.
            threshold: Score from which a passage is put to the model. Below it nobody is asked, because
                small models answer from anything.
            verbatim: Score from which the best passage is read out where the model's answer did not hold.
            k: Passages at most.
            tokens: Room for prompt, passages, dialogue and what tools return; with the answer's it must
                fit into what the model can read. See `dialogue_window.read_budget` for the default.
            max_characters: Of an answer of the model.
            thinking: See `LanguageModelResponder`.
            tools: What the model may call for a free answer; answers from passages rest on passages.
                See `tools.open_tools`.

        Raises:
            ConfigError: The mode needs a model and there is none, or there is nothing to answer from.
        """
        self._mode: Mode = mode or (persona.mode if persona is not None else "grounded")
        if self._mode != "faq-only" and model is None:
            raise ConfigError(
                f"the mode {self._mode!r} needs a language model: set VISAVIS_LLM_URL and"
                " VISAVIS_LLM_MODEL, or VISAVIS_LLM_MODEL=embedded, or use the mode 'faq-only'"
            )
        if faq is None and (retrieve is None or self._mode == "faq-only") and self._mode != "open":
            raise ConfigError("there is nothing to answer from: give it a base")
        self._retrieve, self._faq, self._model = retrieve, faq, model
        self._tokens = self._free_tokens = read_budget() if tokens is None else tokens
        self._free: Chat | None = model
        if tools and isinstance(model, ChatClient):
            self._free = chat = ToolChat(model, tools, self._tokens)
            self._free_tokens -= chat.room
        self._persona = persona
        self._threshold, self._verbatim, self._k = threshold, verbatim, k
        self._max_characters, self._thinking = max_characters, thinking

    @property
    def bases(self) -> tuple[Any, ...]:
        """The bases of the stored answers."""
        return tuple(getattr(self._faq, "bases", ()))

    def prepare(self) -> None:
        """Load what stored answers need."""
        if (prepare := getattr(self._faq, "prepare", None)) is not None:
            prepare()

    def emotion_of(self, sentence: str) -> Emotion | None:
        """Suggest how a sentence is said, where the base can."""
        suggest = getattr(self._faq, "emotion_of", None)
        emotion: Emotion | None = suggest(sentence) if suggest is not None else None
        return emotion

    def foreseeable(self) -> Iterator[tuple[str, Language]]:
        """Yield the stored answers; see `Foreseeing`."""
        foresee: Callable[[], Iterable[tuple[str, Language]]] | None = getattr(
            self._faq, "foreseeable", None
        )
        if foresee is not None:
            yield from foresee()

    async def reply(
        self, history: Sequence[Message], sources: Tell | None = None
    ) -> AsyncIterator[str]:
        """Yield the answer, a checked sentence at a time.

        Args:
            history: The dialogue; the last message is the user's.
            sources: Called once, with where the answer came from: before a stored answer, and after a
                model's, as only then it is known what it rests on; also where it is closed early.

        Raises:
            TextUnusable: There is no question, or it is too long.
            LanguageUnsupported: It is in a script that stored answers do not know.
            ConfigError, StageError: The language model's server; see `LanguageModelResponder`.
        """
        if not history or history[-1].role != "user" or not history[-1].text.strip():
            raise TextUnusable(
                "there is no question to answer; the last message must be the user's"
            )
        tell: Tell = sources or (lambda told: None)
        question = history[-1].text
        if len(question) > MAX_QUESTION:
            raise TextUnusable(
                f"the question has {len(question):,} characters; ask in at most {MAX_QUESTION:,}"
            )
        language = self._language_of(history)
        stored = self._faq.answer(history) if self._faq is not None else None
        if stored is not None and stored.outcome == "answer":
            tell(Told("answer", "stored", stored.confidence, stored=stored))
            for sentence in split_sentences(stored.text):
                yield sentence
            return
        if harm := judge_question(question):
            logger.info("a question about %s is not put to the model", harm)
            tell(Told("refusal", "none"))
            for sentence in split_sentences(
                (COMFORT if harm == "self-harm" else DECLINED)[language]
            ):
                yield sentence
            return
        if stored is None or stored.outcome == "refusal":
            quoted = self._find(history, question, language)
            answer = self._choose(history, question, quoted, language, tell)
            if answer is not None:
                answered = False
                async with aclosing(answer) as sentences:
                    async for sentence in sentences:
                        answered = True
                        yield sentence
                if answered:
                    return
        for sentence in self._say_stored(stored, language, tell):
            yield sentence

    def _say_stored(
        self, stored: StoredAnswer | None, language: Language, tell: Tell
    ) -> Iterator[str]:
        """Say the base's question back or its refusal."""
        if stored is None:
            tell(Told("refusal", "none"))
            yield REFUSAL[language]
            return
        known: dict[str, Outcome] = {"choice": "choice", "refusal": "refusal"}
        outcome = known.get(stored.outcome, "hint")
        tell(Told(outcome, "stored", stored.confidence, stored=stored))
        yield from split_sentences(stored.text)

    def _choose(
        self,
        history: Sequence[Message],
        question: str,
        quoted: Sequence[Quoted],
        language: Language,
        tell: Tell,
    ) -> Any:
        """Choose who answers; None where nobody does. An answer that yields nothing has come to nothing."""
        if self._mode == "faq-only" or self._model is None:
            return None
        if quoted:
            return self._answer_from(history, question, quoted, language, tell)
        return self._answer_freely(history, language, tell) if self._mode == "open" else None

    def _find(self, history: Sequence[Message], question: str, language: Language) -> list[Quoted]:
        """Search, with the question before where this one says too little by itself."""
        if self._retrieve is None or self._mode == "faq-only":
            return []
        asked = [question]
        earlier = [m.text for m in history[:-1] if m.role == "user"]
        if earlier and len(question) <= _FOLLOW_UP_LIMIT:
            asked.append(f"{earlier[-1][-_FOLLOW_UP_LIMIT:]} {question}")
        for words in asked:
            passages = [
                passage
                for passage in self._retrieve(words, language, self._k)
                if passage.score >= self._threshold
            ]
            if quoted := quote_passages(passages[: self._k]):
                return quoted
        return []

    async def _answer_from(
        self,
        history: Sequence[Message],
        question: str,
        quoted: Sequence[Quoted],
        language: Language,
        tell: Tell,
    ) -> AsyncIterator[str]:
        assert self._model is not None
        manner, history = take_manner(history)
        rules = (SPOKEN[language], GROUNDED[language], *manner)
        system = self._write_system(rules, language)
        prompt = build_grounded_prompt(history, question, quoted, system, language, self._tokens)
        answer = CheckedAnswer(prompt.quoted, question, language, rules)
        failure: Error | None = None
        try:
            try:
                stream = stream_sentences(
                    self._model, prompt.messages, language, self._max_characters, self._thinking
                )
                async with aclosing(stream) as sentences:
                    async for sentence in sentences:
                        for said in answer.take(sentence):
                            lead = self._introduce(said, prompt.quoted, answer, language)
                            yield Said(lead, said.emotion)
                        if answer.ended:
                            break
            except StageError as error:
                failure = error
            if answer.has_spoken:
                if failure is not None:
                    raise failure
                return
        finally:
            if answer.has_spoken:
                cited = [prompt.quoted[n - 1] for n in answer.cited]
                tell(_tell_cited("passages", cited))
        if answer.fault == "unsafe":
            tell(Told("refusal", "none"))
            yield DECLINED[language]
            return
        best = max(prompt.quoted, key=lambda q: q.passage.score, default=None)
        readable = best is not None and best.passage.score >= self._verbatim
        if best is None or not readable or answer.fault == "no answer":
            if failure is not None:
                raise failure
            return
        logger.info("the model's answer did not hold (%s); a passage is read out", answer.fault)
        tell(_tell_cited("verbatim", [best]))
        lead = READ[language].format(best.title) if best.title else VERBATIM[language]
        yield lead + pick_sentences(best.text, question, language)

    def _introduce(
        self, said: str, quoted: Sequence[Quoted], answer: CheckedAnswer, language: Language
    ) -> str:
        """Name the source before the first sentence of an answer."""
        if not answer.opens or not answer.cited:
            return said
        title = quoted[answer.cited[0] - 1].title
        if title:  # models copy it from the front of the passage
            said = re.sub(rf"\A[《\"“]?{re.escape(title)}[》\"”]?[：:，, ]*(?=\w{{4}})", "", said)
        if not title or title in said or said.startswith(("根据", "According")):
            return said
        if language == "en" and said.split(" ", 1)[0].casefold() in _STARTERS:
            said = said[0].lower() + said[1:]
        return ACCORDING[language].format(title) + said

    async def _answer_freely(
        self, history: Sequence[Message], language: Language, tell: Tell
    ) -> AsyncIterator[str]:
        assert self._free is not None
        manner, history = take_manner(history)
        rules = (SPOKEN[language], OPEN[language], *manner)
        system = self._write_system(rules, language)
        messages = fit_dialogue(history, system, self._free_tokens)
        answer = OpenAnswer(history[-1].text, language, rules)
        try:
            stream = stream_sentences(
                self._free, messages, language, self._max_characters, self._thinking
            )
            async with aclosing(stream) as sentences:
                async for sentence in sentences:
                    for said in answer.take(sentence):
                        if answer.spoken == 1:
                            yield BEYOND[language] + "\n"
                        yield said
                    if answer.ended:
                        break
            if not answer.spoken:
                yield answer.excuse
        finally:
            tell(Told("answer", "open") if answer.spoken else Told("refusal", "none"))

    def _write_system(self, rules: Sequence[str], language: Language) -> str:
        own = self._persona.describe(language) if self._persona is not None else ""
        return "\n".join([*([own] if own else []), *rules])

    def _language_of(self, history: Sequence[Message]) -> Language:
        """Language of the newest question that has any letters, else the persona's."""
        for message in reversed(history):
            text = message.text[:2_000]
            if message.role == "user" and any(map(str.isalpha, text)):
                return detect_language(text, "zh")
        own = self._persona.language if self._persona is not None else "zh"
        return "zh" if own == "auto" else own


def _tell_cited(origin: Any, quoted: Sequence[Quoted]) -> Told:
    citations = []
    for quote in quoted:
        url = split_source(quote.passage.source)[1]
        title = quote.title or url or quote.passage.place
        citations.append(
            Citation(title, url, quote.passage.place, quote.text, float(quote.passage.score))
        )
    confidence = max((c.score for c in citations), default=0.0)
    return Told("answer", origin, min(max(confidence, 0.0), 1.0), tuple(citations))
