"""How excited a voice sounds: measured prosody, no network."""
