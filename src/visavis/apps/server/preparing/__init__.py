"""Answers spoken ahead of time, while nobody talks."""
