"""The language model that a persona or the environment asks for, opened."""

from __future__ import annotations

from dataclasses import replace

from visavis.stages.responders.chat_stream import ChatClient, ChatLimits
from visavis.stages.responders.endpoint import EMBEDDED, find_endpoint
from visavis.stages.responders.persona import ModelChoice

GROUNDED_LIMITS = ChatLimits(temperature=0.0, max_tokens=300)
"""Answers from passages: the likeliest words, and few."""
EMBEDDED_FIRST_TOKEN_S = 60.0
"""A small processor reads 25 to 100 tokens of a prompt in a second."""


def open_model(choice: ModelChoice | None = None, limits: ChatLimits | None = None) -> ChatClient:
    """Open the model; what is empty in the choice comes from the environment. See `find_endpoint`.

    Raises:
        ConfigError: No model is set, or one cannot be used.
        MissingExtra, MissingWeights, StageError: The embedded model cannot be loaded.
    """
    choice = choice or ModelChoice()
    # A model named for itself belongs to the server named beside it, not to the environment's.
    own_url = "" if choice.model == EMBEDDED and not choice.url else choice.url or None
    endpoint = find_endpoint(own_url, choice.model or None)
    limits = limits or GROUNDED_LIMITS
    if endpoint.model == EMBEDDED:
        first = max(limits.first_token_s, EMBEDDED_FIRST_TOKEN_S)
        limits = replace(limits, first_token_s=first, thinking_s=max(limits.thinking_s, first))
    return ChatClient(endpoint, limits)
