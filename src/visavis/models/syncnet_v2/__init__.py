"""The published SyncNet v2, by which papers measure LSE-D and LSE-C; its weights are the user's."""
