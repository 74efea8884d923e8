"""One folder per network, plus the asset catalogue and the runtime."""
