"""The only place that puts stages together."""
