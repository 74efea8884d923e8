"""Any speech to the mouth's channels, by a small network of our own."""
