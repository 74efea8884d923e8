"""The lip-sync expert: do these five frames and this sound belong together."""
