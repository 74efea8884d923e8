"""OpenAI's realtime events over a live session, whose video may be watched beside it."""
