"""Training recipes: one file per network, each a function that returns its TrainConfig."""
