"""hibari: fast English speech with exact phoneme times."""
