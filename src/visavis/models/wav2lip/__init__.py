"""Lips from sound: Wav2Lip in its published size, and the higher ones of Wav2Lip-384."""
