"""Who answers in a session, and the greeting that it says once."""

from __future__ import annotations

from visavis.apps.server.protocol import events as told
from visavis.core.types import Language
from visavis.stages.responders.persona import Persona


class Greeter:
    """The persona of one session.

    Args:
        persona: The responder's; None where it has none.
    """

    def __init__(self, persona: Persona | None) -> None:
        self._persona = persona
        self._has_greeted = False

    def describe(self) -> told.Persona | None:
        """Tell it as ``session.started`` does."""
        return describe_persona(self._persona)

    def greet(self, language: Language) -> str:
        """Return what is said in a language, the first time; empty where there is nothing or ever after."""
        if self._persona is None or self._has_greeted:
            return ""
        self._has_greeted = True
        return self._persona.greeting.get(language, "")


def find_persona(responder: object) -> Persona | None:
    """Return who a responder answers as; None where it is nobody."""
    persona = getattr(responder, "persona", None)
    return persona if isinstance(persona, Persona) else None


def describe_persona(persona: Persona | None) -> told.Persona | None:
    """Tell a page who answers."""
    if persona is None:
        return None
    return told.Persona(name=dict(persona.name), greeting=dict(persona.greeting))
