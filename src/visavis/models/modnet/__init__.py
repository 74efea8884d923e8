"""MODNet: portrait matting."""
