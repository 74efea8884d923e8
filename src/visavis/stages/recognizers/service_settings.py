"""Which server recognises speech, set in the environment."""

from __future__ import annotations

import os

from visavis.core.errors import ConfigError
from visavis.stages.services.addresses import Address, check_url, read_key

URL, MODEL = "VISAVIS_RECOGNIZER_URL", "VISAVIS_RECOGNIZER_MODEL"
KEY, KEY_FILE = "VISAVIS_RECOGNIZER_KEY", "VISAVIS_RECOGNIZER_KEY_FILE"


def find_recognizer(
    url: str | None, key: str | None, example: str, schemes: tuple[str, ...]
) -> Address:
    """Put an address together from what is given and, where nothing is, from the environment.

    Args:
        url: Else VISAVIS_RECOGNIZER_URL.
        key: Else VISAVIS_RECOGNIZER_KEY, else what the file VISAVIS_RECOGNIZER_KEY_FILE holds.
        example: Of an address.
        schemes: That it may have.

    Raises:
        ConfigError: There is no URL, or one of the two cannot be used.
    """
    url = (os.environ.get(URL, "") if url is None else url).strip()
    if not url:
        raise ConfigError(f"no recogniser's server is set: set {URL}, as in {URL}={example}")
    if key is None:
        key = read_key(KEY, KEY_FILE)
    return Address(check_url(url, URL, example, schemes), URL, key.strip(), KEY)


def find_model(model: str | None, default: str) -> str:
    """Choose the model: what is given, else VISAVIS_RECOGNIZER_MODEL, else a default."""
    return (os.environ.get(MODEL, "") if model is None else model).strip() or default
