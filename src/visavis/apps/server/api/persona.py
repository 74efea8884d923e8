"""Who answers."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel, Field

from visavis.apps.server.house import HouseOf
from visavis.apps.server.protocol.events import Persona
from visavis.apps.server.sessions.greeter import describe_persona, find_persona

router = APIRouter(prefix="/api/v1/persona", tags=["sessions"])


class PersonaView(BaseModel):
    """The persona that the server was given."""

    persona: Persona | None = Field(description="Null where nobody is named.")


@router.get("", summary="Say who answers")
async def show_persona(house: HouseOf) -> PersonaView:
    """Name who answers in every session, and how it greets."""
    responder = await asyncio.to_thread(lambda: house.cast.responder)
    return PersonaView(persona=describe_persona(find_persona(responder)))
