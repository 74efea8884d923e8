"""Question-answer bases and documents: import, embed, store, search."""
