"""Who a face is, by SFace."""
