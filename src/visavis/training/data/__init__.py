"""What networks are trained on: preparation, corpora, datasets."""
