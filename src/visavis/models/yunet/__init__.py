"""YuNet: finds every face of a picture."""
