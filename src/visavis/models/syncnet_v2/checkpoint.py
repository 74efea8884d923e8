"""The user's ``syncnet_v2.model``, read without running what is in it. Needs the ``train`` extra."""

from __future__ import annotations

import hashlib
from pathlib import Path

from visavis.core.errors import ChecksumMismatch, FileUnreadable
from visavis.models.common.published import load_exactly, read_published
from visavis.models.syncnet_v2.network import SyncNetV2

PUBLISHED_SHA256 = "961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442"
"""Of the authors' file, as those who use it state it."""


def load_network(path: Path, sha256: str | None = PUBLISHED_SHA256) -> tuple[SyncNetV2, str]:
    """Build the network of a checkpoint.

    Args:
        path: A state dict of the published names. The counters of batch norms, which older versions of
            torch did not store, may be missing.
        sha256: What the file must be, in hexadecimal; None takes any weights of this layout, whose
            figures are then no LSE.

    Returns:
        The network, ready to measure, and the SHA-256 of its file.

    Raises:
        FileUnreadable: It is missing, no checkpoint, or of another network.
        ChecksumMismatch: It is another file than ``sha256`` says.
    """
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise FileUnreadable(f"there is no file {path}") from error
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from error
    if sha256 is not None and found != sha256:
        raise ChecksumMismatch(
            f"{path} is not the published syncnet_v2.model: its SHA-256 begins with {found[:16]} and"
            f" should begin with {sha256[:16]}. Only figures of those weights are LSE-D and LSE-C;"
            " fetch the file anew, or measure by this project's expert (sync)"
        )
    network = SyncNetV2()
    load_exactly(network, read_published(path), path)
    return network.eval().requires_grad_(False), found
