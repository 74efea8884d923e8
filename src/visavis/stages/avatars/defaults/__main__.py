"""Pack the pictures of the default avatars: `python -m visavis.stages.avatars.defaults FOLDER`.

FOLDER holds NAME.png as `visavis.training.recipes.default_avatars` writes them.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from visavis.media.pack import save_avatar
from visavis.stages.avatars.create import create_avatar

_LOG = logging.getLogger(__name__)

PROVENANCE = {
    "provenance": (
        "a picture of nobody, painted by MobileStyleGAN (Belousov 2021, package random-face"
        " 2021.7.21.1) by the recipe visavis.training.recipes.default_avatars"
    ),
    "licence": (
        "code and weights of the painter: Apache-2.0; the photographs it learnt from (FFHQ) are"
        " CC-BY-NC-SA-4.0, whose bearing on painted pictures is unsettled (unverified):"
        " take it as non-commercial"
    ),
}
CAST: dict[str, tuple[str, dict[str, str]]] = {
    "mei": ("a woman of about 30", {"zh": "zf_xiaohe", "en": "af_heart"}),
    "adam": ("a man of about 45", {"zh": "zm_yunjian", "en": "am_michael"}),
    "ruth": ("a woman of about 65", {"zh": "zf_xiaoyi", "en": "bf_emma"}),
}


def pack_defaults(pictures: Path, folder: Path) -> None:
    """Make NAME.avatar of each NAME.png; a picture that is not flawless is refused."""
    for name, (about, voice) in CAST.items():
        avatar, report = create_avatar(pictures / f"{name}.png", name, voice=voice)
        assert report.verdict == "ok", report
        info: dict[str, Any] = {**avatar.info, "about": about, **PROVENANCE}
        save_avatar(folder / f"{name}.avatar", replace(avatar, info=info))
        _LOG.info("%s: %s", name, about)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pack_defaults(parser.parse_args().folder, Path(__file__).parent)
