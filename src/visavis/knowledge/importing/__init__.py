"""Question-answer pairs from people's own files."""
