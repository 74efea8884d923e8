"""LPIPS: how different two pictures look, by what networks for recognising things see in them."""
