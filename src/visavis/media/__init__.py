"""Sound and pictures: codecs, resampling, affine maps, pasting. No networks."""
