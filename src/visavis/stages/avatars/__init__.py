"""Avatars: what makes a good one, how one is made of a picture or a video, and where they lie."""
