"""Inception-v3 of FID: what pictures look like, as vectors whose spread can be compared."""
