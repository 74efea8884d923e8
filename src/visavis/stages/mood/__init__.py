"""The mood of whoever asks, and how the answer takes it up."""
