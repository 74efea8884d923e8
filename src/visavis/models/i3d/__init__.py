"""I3D of FVD: what happens in short videos, as vectors whose spread can be compared."""
