"""Sentence vectors of any text encoder of the BERT family."""
