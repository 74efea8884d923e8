"""All recipes by name: what they train, from which data, and how they are run.

A recipe's module is imported when it is asked for.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visavis.core.errors import ConfigError
from visavis.training.loop import Outcome


@dataclass(frozen=True, slots=True)
class Recipe:
    """One entry.

    Attributes:
        name: As the command line calls it.
        about: What it trains, in one line.
        module: Of ``visavis.training.recipes``, with a function ``run_recipe``.
        configure: Its function that returns the config.
        data: What ``--data`` names.
    """

    name: str
    about: str
    module: str
    configure: str
    data: str = "clips prepared by `visavis prepare`"

    def config(self) -> Any:
        """The recipe's frozen config."""
        return getattr(self._import(), self.configure)()

    def run(
        self,
        config: Any,
        data: Path,
        out: Path,
        *,
        tell: Callable[[str], None],
        time_limit: float = 0.0,
    ) -> Outcome:
        """Train; see `visavis.training.loop.train`."""
        outcome: Outcome = self._import().run_recipe(
            config, data, out, tell=tell, time_limit=time_limit
        )
        return outcome

    def export(self, checkpoint: Path, target: Path) -> None:
        """Write a checkpoint's network as .onnx: into a folder, or a file where there is but one.

        Raises:
            ConfigError: The recipe's network has no such form.
        """
        function = getattr(self._import(), "export_recipe", None)
        if function is None:
            raise ConfigError(f"{self.name} has nothing to export; its weights are in {checkpoint}")
        function(checkpoint, target)

    def _import(self) -> Any:
        return importlib.import_module(f"visavis.training.recipes.{self.module}")


_RECIPES = (
    Recipe(
        "audio2mouth",
        "the puppet's mouth from the sound of any voice",
        "audio2mouth",
        "base",
        "a corpus made by visavis.training.data.speech_corpus",
    ),
    Recipe(
        "audio2mouth-real",
        "the same network, going on from people who really speak; for research only",
        "audio2mouth_real",
        "base",
    ),
    Recipe(
        "syncnet-96-small",
        "the lip-sync expert at 96 pixels with half the channels, on a CPU",
        "syncnet",
        "syncnet_96_small",
    ),
    Recipe(
        "tiny-syncnet",
        "a tiny lip-sync expert for a few seconds, to try out",
        "syncnet",
        "tiny_syncnet",
    ),
    Recipe("syncnet-96", "Wav2Lip's lip-sync expert at 96 pixels", "syncnet", "syncnet_96"),
    Recipe(
        "wav2lip-96-small",
        "a generator at 96 pixels with half the channels, on a CPU, to grow from",
        "wav2lip",
        "wav2lip_96_small",
    ),
    Recipe(
        "wav2lip-192-small",
        "the same at 192; --set start=CHECKPOINT of the one before",
        "wav2lip",
        "wav2lip_192_small",
    ),
    Recipe(
        "wav2lip-384-small",
        "the same at 384; --set start=CHECKPOINT of the one before",
        "wav2lip",
        "wav2lip_384_small",
    ),
    Recipe("wav2lip-96", "Wav2Lip's generator at 96 pixels", "wav2lip", "wav2lip_96"),
    Recipe("wav2lip-192", "the generator at 192 pixels", "wav2lip", "wav2lip_192"),
    Recipe("wav2lip-384", "the paper's generator at 384 pixels", "wav2lip", "wav2lip_384"),
    Recipe(
        "wav2lip-96-gpu", "the same in large batches, with a critic", "wav2lip", "wav2lip_96_gpu"
    ),
    Recipe(
        "wav2lip-192-gpu", "the same in large batches, with a critic", "wav2lip", "wav2lip_192_gpu"
    ),
    Recipe(
        "wav2lip-384-gpu", "the same in large batches, with a critic", "wav2lip", "wav2lip_384_gpu"
    ),
    Recipe("tiny-wav2lip", "a tiny generator for a minute, to try out", "wav2lip", "tiny_wav2lip"),
    Recipe("syncnet-192", "the lip-sync expert at 192 pixels", "syncnet", "syncnet_192"),
    Recipe("syncnet-384", "the lip-sync expert at 384 pixels", "syncnet", "syncnet_384"),
)
RECIPES = {recipe.name: recipe for recipe in _RECIPES}


def find_recipe(name: str) -> Recipe:
    """Look a recipe up.

    Raises:
        ConfigError: There is none of that name.
    """
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name, RECIPES, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"there is no recipe {name!r}{hint} `visavis train --list` names them")
