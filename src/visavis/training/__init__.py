"""Data preparation, losses, recipes and the loop. Needs the `train` extra."""
