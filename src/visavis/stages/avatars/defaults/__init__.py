"""The avatars shipped, with their provenance in README.md."""
