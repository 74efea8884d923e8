"""Which emotion a written sentence shows: a small classifier on sentence vectors."""
