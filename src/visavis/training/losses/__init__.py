"""Losses, one file per idea."""
