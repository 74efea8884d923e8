"""Kokoro-82M: phonemes to speech, Chinese and English, with exact phoneme times."""
