"""Renders as jobs: queued, cancelled, resumed after a restart."""
