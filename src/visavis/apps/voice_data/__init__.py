"""Makes the data set that a voice is fine-tuned with from a recording of somebody's speech."""
