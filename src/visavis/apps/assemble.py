"""Puts stages together: from names and settings to a conversation."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from visavis.apps.settings import Settings
from visavis.apps.speech_memory import SpeechMemory
from visavis.core import registry
from visavis.core.errors import OutputUnwritable, TextUnusable, UnknownVoice
from visavis.core.protocols import Versioned

if TYPE_CHECKING:
    from visavis.apps.speech_shelf import SpeechShelf
    from visavis.core.protocols import Performance, Recognizer, Responder, Synthesizer
    from visavis.core.types import (
        Avatar,
        Emotion,
        Language,
        Respell,
        Sentence,
        Speech,
        Transcript,
        Voice,
    )
    from visavis.knowledge.sound_alikes import SoundAlikes
    from visavis.pipeline.conversation import Conversation
    from visavis.pipeline.events import EventHub

logger = logging.getLogger(__name__)

SPEECH_RATE = 24_000
"""Hz at which all voices reach the face, so that they can follow one another in one answer."""
DEFAULT_VOICES: dict[Language, str] = {"zh": "zf_xiaohe", "en": "af_heart"}
"""Voices of an avatar that names none."""

Pose = Literal["still", "natural", "lively"]
POSES: tuple[Pose, ...] = ("still", "natural", "lively")


class VoiceRouter:
    """One synthesizer out of many: each voice name goes to the stage that has it.

    Stages are made when one of their voices is used first; all sound leaves at ``sample_rate``.

    Args:
        stages: Names of the stages to look in; all registered ones by default.
        sample_rate: Hz.
        remembered: Seconds of speech that are kept, in case the same is said again.
    """

    def __init__(
        self,
        stages: Sequence[str] | None = None,
        sample_rate: int = SPEECH_RATE,
        remembered: float = 0.0,
    ) -> None:
        self._names = list(stages) if stages is not None else registry.names("synthesizers")
        self._stages: dict[str, Synthesizer] = {}
        self._rate = sample_rate
        self._memory = SpeechMemory(remembered)
        self._identities: dict[str, str] = {}

    def voices(self) -> list[Voice]:
        """List the voices of all stages, at the rate at which they leave."""
        return [
            replace(voice, sample_rate=self._rate)
            for name in self._names
            for voice in self._stage(name).voices()
        ]

    def find(self, voice: str) -> Voice:
        """Describe a voice.

        Raises:
            UnknownVoice: No stage has it.
        """
        for known in self.voices():
            if known.name == voice:
                return known
        names = ", ".join(v.name for v in self.voices()[:8])
        raise UnknownVoice(
            f"no voice is called {voice!r}; there are {names} … (see `visavis voices`)"
        )

    def identify(self, voice: str) -> str:
        """Tell all that the sound of a voice depends on: stage, package, weights, sample rate.

        Raises:
            UnknownVoice: No stage has it.
        """
        if voice not in self._identities:
            name = self.find(voice).synthesizer
            stage = self._stage(name)
            version = stage.version() if isinstance(stage, Versioned) else ""
            package = registry.find_package("synthesizers", name)
            self._identities[voice] = f"{name} {package} {version} {self._rate}"
        return self._identities[voice]

    def recall(self, sentence: Sentence, voice: str) -> tuple[Speech, ...]:
        """Give the sentence's speech as it was spoken a while ago, or nothing."""
        return self._memory.recall(sentence, voice)

    async def speak(self, sentence: Sentence, voice: str) -> AsyncIterator[Speech]:
        """Yield the sentence's sound in the voice asked for.

        Raises:
            UnknownVoice: No stage has it.
        """
        stage = self._stage(self.find(voice).synthesizer)
        if known := self.recall(sentence, voice):
            for speech in known:
                yield speech
            return
        spoken: list[Speech] = []
        speeches = stage.speak(sentence, voice)
        convert = _RateConverter(self._rate)
        try:
            async for speech in speeches:
                spoken.append(convert(speech))
                yield spoken[-1]
            self._memory.keep(sentence, voice, spoken)
        finally:
            close = getattr(speeches, "aclose", None)
            if close is not None:
                await close()

    def _stage(self, name: str) -> Synthesizer:
        if name not in self._stages:
            self._stages[name] = registry.load("synthesizers", name)()
        return self._stages[name]


class _RateConverter:
    """Resamples the pieces of one sentence, keeping marks and offsets in step."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler: Any = None
        self._made = 0

    def __call__(self, speech: Speech) -> Speech:
        from_rate = speech.audio.sample_rate
        if from_rate == self._rate:
            return speech
        import numpy as np

        from visavis.core.types import Mark, Waveform
        from visavis.media.resampling import Resampler

        if self._resampler is None:
            self._resampler = Resampler(from_rate, self._rate)
        samples = self._resampler.feed(speech.audio.samples)
        if speech.is_last:
            samples = np.concatenate([samples, self._resampler.flush()])
        sound = Waveform(samples, self._rate, self._made)
        self._made += len(samples)
        marks = tuple(
            Mark(m.kind, m.text, m.start * self._rate // from_rate, m.end * self._rate // from_rate)
            for m in speech.marks
        )
        return replace(speech, audio=sound, marks=marks)


@dataclass(slots=True)
class Cast:
    """Who takes part, as the user asked for it. Its stages are made once and kept.

    Attributes:
        settings: Defaults.
        avatar: Name of a stored one, or a picture or video; empty for the default.
        voice: Voice for the languages that it speaks; empty for the avatar's own.
        emotion: Of every sentence, or None to let the answer decide.
        intensity: Of the emotion, 0..1.
        pose: How much the head moves of itself.
        remembered: Seconds of speech that are kept, in case the same is said again.
        shelf: Spoken sentences on disk, which live sessions take theirs from.
        shelving: Whether what live sessions say is put there.
    """

    settings: Settings = field(default_factory=Settings)
    avatar: str = ""
    voice: str = ""
    emotion: Emotion | None = None
    intensity: float | None = None
    pose: Pose = "natural"
    remembered: float = 0.0
    shelf: SpeechShelf | None = None
    shelving: bool = True
    _router: VoiceRouter | None = None
    _recognizer: Recognizer | None = None
    _responder: Responder | None = None
    _alikes: SoundAlikes | None = None

    def load_avatar(self) -> Avatar:
        """Load or make the avatar."""
        from visavis.stages.avatars import store

        return store.load(self.avatar or self.settings.avatar or store.DEFAULT)

    def open_performance(self, avatar: Avatar) -> Performance:
        """Open the face."""
        settings = self.settings
        stage = registry.load("animators", settings.animator)
        emotion = self.emotion or settings.emotion or "neutral"
        animator = _make(
            stage,
            size=settings.size,
            seed=settings.seed,
            liveliness=self.pose,
            emotion=emotion,
            intensity=self.strength,
            weights=settings.weights,
            enhancer=settings.enhancer,
        )
        performance: Performance = animator.open(avatar)
        return performance

    @property
    def strength(self) -> float:
        """Intensity of the emotion."""
        return self.settings.intensity if self.intensity is None else self.intensity

    @property
    def router(self) -> VoiceRouter:
        """All voices."""
        if self._router is None:
            self._router = VoiceRouter(remembered=self.remembered)
        return self._router

    @property
    def speaker(self) -> Synthesizer:
        """The voices of a live session: what lies on the shelf need not be spoken.

        Whoever measures or loads a voice takes ``router``, which speaks for itself.
        """
        if self.shelf is None:
            return self.router
        from visavis.apps.shelved_voices import ShelvedVoices

        return ShelvedVoices(self.router, self.shelf, keeping=self.shelving)

    @property
    def recognizer(self) -> Recognizer:
        """The recogniser of questions, made when it is needed first."""
        if self._recognizer is None:
            self._recognizer = self.make_recognizer(respell=self.respell)
        return self._recognizer

    def make_recognizer(
        self,
        language: Language | Literal["auto"] = "auto",
        hint: str = "",
        respell: Respell | None = None,
    ) -> Recognizer:
        """Make the recogniser that is set; weights are shared by all that are made.

        Args:
            language: What is spoken.
            hint: Words that are likely; empty for those that are set.
            respell: See `respell`; None for what is no question to this base.
        """
        stage = registry.load("recognizers", self.settings.recognizer)
        made: Recognizer = _make(
            stage, language=language, hint=hint or self.settings.hint, respell=respell
        )
        return made

    def respell(self, heard: Transcript) -> Transcript:
        """Write a question as the base does where that sounds the same; see `SoundAlikes`."""
        if heard.language != "zh" or not self.settings.respell:
            return heard
        if self._alikes is None:
            from visavis.knowledge.sound_alikes import SoundAlikes

            bases = getattr(self.responder, "bases", ())
            self._alikes = SoundAlikes(text for base in bases for text in base.texts("zh"))
        return self._alikes.repair_transcript(heard)

    @property
    def responder(self) -> Responder:
        """The responder, made when it is needed first."""
        if self._responder is None:
            settings = self.settings
            stage = registry.load("responders", settings.responder)
            made: Responder = _make(
                stage,
                store=settings.knowledge,
                only=settings.base_names,
                reranker=settings.reranker,
                persona=settings.persona,
            )
            self._responder = made
        return self._responder

    def attune(self, responder: Responder) -> Responder:
        """Let a responder's answers fit the mood of one person, where that is switched on."""
        if not self.settings.mood:
            return responder
        from visavis.knowledge.live import share_encoder
        from visavis.stages.mood.answer_marking import AnswerMarker
        from visavis.stages.mood.reader import MoodReader
        from visavis.stages.responders.attuned import AttunedResponder

        encoder = share_encoder()
        persona = getattr(self.responder, "persona", None)
        usual: Emotion = persona.emotion if persona is not None else "neutral"
        return AttunedResponder(responder, MoodReader(encoder), AnswerMarker(encoder), usual)

    def choose_voices(self, avatar: Avatar) -> dict[Language, str]:
        """Choose a voice for each language: the one asked for, else set, else the avatar's.

        Raises:
            UnknownVoice: A name that no stage has.
        """
        chosen: dict[Language, str] = {}
        wanted = self.router.find(self.voice) if self.voice else None
        for language, default in DEFAULT_VOICES.items():
            if wanted is not None and language in wanted.languages:
                chosen[language] = wanted.name
                continue
            setting = self.settings.voice_zh if language == "zh" else self.settings.voice_en
            chosen[language] = setting or avatar.voice.get(language) or default
        return chosen

    def open_conversation(
        self,
        *,
        avatar: Avatar | None = None,
        voice: bool = True,
        responder: bool | Responder = False,
        recognizer: bool = False,
        hub: EventHub | None = None,
    ) -> Conversation:
        """Put a conversation together from the stages that are needed, or that are given."""
        from visavis.pipeline.conversation import Conversation
        from visavis.pipeline.manner import Manner

        avatar = avatar or self.load_avatar()
        manner = Manner(
            self.choose_voices(avatar) if voice else {},
            self.settings.language,
            self.emotion or self.settings.emotion,
            self.strength,
        )
        return Conversation(
            self.open_performance(avatar),
            self.router if voice else None,
            self.attune(self.responder if responder is True else responder) if responder else None,
            self.recognizer if recognizer else None,
            manner=manner,
            hub=hub,
        )


def _make(stage: type[Any], **options: Any) -> Any:
    """Make a stage with those of the options that it has."""
    import inspect

    known = inspect.signature(stage).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
        options = {name: value for name, value in options.items() if name in known}
    return stage(**options)


def clean_text(text: str, limit: int, what: str = "text") -> str:
    """Drop control characters and check the length.

    Raises:
        TextUnusable: Empty, or longer than ``limit``.
    """
    cleaned = "".join(c if c.isprintable() or c in "\n\t" else " " for c in text).strip()
    if not cleaned:
        raise TextUnusable(f"the {what} is empty; give some words")
    if len(cleaned) > limit:
        raise TextUnusable(
            f"the {what} has {len(cleaned)} characters and the limit is {limit};"
            f" shorten it, or set VISAVIS_MAX_{'QUESTION' if what == 'question' else 'CHARACTERS'}"
        )
    return cleaned


def check_output(path: str | Path, suffixes: Sequence[str]) -> Path:
    """Check an output name before the work begins.

    Raises:
        OutputUnwritable: The name's ending is of another format, or the place cannot be written.
    """
    from visavis.media.files import create_part, discard_part

    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise OutputUnwritable(f"{path.name!r} does not end in {' or '.join(suffixes)}; name it so")
    discard_part(create_part(path))
    return path
