"""Keeping knowledge bases from the command line."""
