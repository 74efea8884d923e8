"""From written text to phonemes: normalisation by language, then grapheme to phoneme by script."""
