"""Silero VAD: speech or not, every 32 ms."""
