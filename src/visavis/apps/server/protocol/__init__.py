"""What a page and the server say to each other while a session lives: events and commands."""

from visavis.apps.server.protocol.commands import COMMAND, Command
from visavis.apps.server.protocol.events import EVENT, VERSION, ServerEvent

__all__ = ["COMMAND", "EVENT", "VERSION", "Command", "ServerEvent"]
