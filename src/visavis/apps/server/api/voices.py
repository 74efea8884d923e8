"""Who can speak."""

from __future__ import annotations

import asyncio
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from visavis.apps.server.house import HouseOf
from visavis.core.types import Language

router = APIRouter(prefix="/api/v1/voices", tags=["voices"])


class VoiceView(BaseModel):
    """A voice."""

    name: str = Field(examples=["af_heart"])
    synthesizer: str = Field(examples=["kokoro"])
    languages: list[Language] = Field(description="The first is the one that it was made for.")
    gender: Literal["female", "male", "unknown"]
    default_for: list[Language] = Field(description="Languages of which it is the default.")


class VoiceList(BaseModel):
    """All voices."""

    voices: list[VoiceView]


@router.get("", summary="List voices")
async def list_voices(house: HouseOf, language: Language | None = None) -> VoiceList:
    """List the voices of all synthesizers, or those that were made for a language."""
    from visavis.apps.assemble import DEFAULT_VOICES

    known = await asyncio.to_thread(house.cast.router.voices)
    return VoiceList(
        voices=[
            VoiceView(
                name=voice.name,
                synthesizer=voice.synthesizer,
                languages=list(voice.languages),
                gender=voice.gender,
                default_for=[key for key, name in DEFAULT_VOICES.items() if name == voice.name],
            )
            for voice in known
            if language in (None, voice.languages[0])
        ]
    )
