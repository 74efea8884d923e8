"""Pairs to files that ``visavis.knowledge.importing`` reads back."""

from visavis.knowledge.exporting.pairs import ENDINGS, write_pairs

__all__ = ["ENDINGS", "write_pairs"]
