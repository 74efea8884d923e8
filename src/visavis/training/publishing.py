"""What lies beside weights that come with visavis: where they are from, and that they are the pinned ones.

    python -m visavis.training.publishing syncnet-96-small RUN CLIPS FOLDER --name syncnet --use "…"

writes the network of RUN's best checkpoint into FOLDER, and beside it ``recipe.json`` (all values and
seeds), ``data.json`` (each file that was learnt from, by its SHA-256), ``loss.csv``, ``evaluation.csv``,
``figures.json`` (of the best checkpoint) and the catalogue's card ``asset.toml``. A run that it began with is
named by ``--before``; its recipe and curves lie beside as ``loss_before.csv`` and so on.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from visavis.core.errors import FileUnreadable
from visavis.models.assets.store import CARD, sha256_of
from visavis.training.checkpoint import load_checkpoint
from visavis.training.loop import BEST, LAST
from visavis.training.recipes.catalogue import find_recipe

_CURVES = ("loss.csv", "evaluation.csv")
_RECIPE = "recipe.json"
_DATA, _FIGURES = "data.json", "figures.json"
_RUNS = (".onnx", "network.json")
"""What is needed to run: pinned in the card, by the ends of names."""


def publish(
    recipe: str,
    run: Path,
    clips: Path,
    folder: Path,
    *,
    name: str,
    use: str,
    corpus: str,
    before: Path | None = None,
) -> None:
    """Write weights and all that says where they are from; for research only.

    Args:
        recipe: That they were trained by.
        run: The folder that ``visavis train`` wrote.
        clips: The folder that ``visavis prepare`` wrote, which they learnt from.
        folder: Where they go; made if it is not there, and what is in it replaced.
        name: In the catalogue.
        use: What for, in a few words.
        corpus: What the clips are, in a few words; said in the card.
        before: The run that it began with, if that is not published itself.

    Raises:
        FileUnreadable: One of the folders is not such a one.
    """
    checkpoint = next((run / n for n in (BEST, LAST) if (run / n).is_file()), None)
    manifest = clips / "manifest.json"
    if checkpoint is None or not manifest.is_file():
        raise FileUnreadable(f"{run} holds no checkpoint, or {clips} no prepared clips")
    stored = load_checkpoint(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    one_file = recipe.startswith("audio2mouth")
    find_recipe(recipe).export(checkpoint, folder / f"{name}.onnx" if one_file else folder)
    _write_history(run, folder)
    if before is not None:
        _write_history(before, folder, "_before")
    _write(folder / _DATA, describe_data(json.loads(manifest.read_text("utf-8"))))
    _write(folder / _FIGURES, {"step": stored["step"], **stored["figures"]})
    (folder / CARD).write_text(_card(folder, name, use, corpus), "utf-8")


def describe_data(manifest: dict[str, Any]) -> dict[str, Any]:
    """What was learnt from and judged on, with a hash of each file, without the files themselves."""
    return {
        "splits": manifest["splits"],
        "people": {
            split: sorted(p for p, said in manifest["people"].items() if said["split"] == split)
            for split in manifest["splits"]
        },
        "settings": manifest["settings"],
        "files": {source["file"]: source["sha256"] for source in manifest["sources"]},
    }


def _write_history(run: Path, folder: Path, which: str = "") -> None:
    """Curves and recipe of a run, under their names with ``which`` at the end."""
    for curve in _CURVES:
        if (run / curve).is_file():
            shutil.copyfile(run / curve, folder / _name(curve, which))
    if (run / _RECIPE).is_file():
        values = json.loads((run / _RECIPE).read_text("utf-8"))
        _write(folder / _name(_RECIPE, which), _without_folders(values))


def _name(file: str, which: str) -> str:
    return f"{Path(file).stem}{which}{Path(file).suffix}"


def _without_folders(values: dict[str, Any]) -> dict[str, Any]:
    """Of paths in a recipe, the last folder and the file: the rest is of one machine."""
    return {
        name: "/".join(Path(value).parts[-2:])
        if isinstance(value, str) and Path(value).is_absolute()
        else value
        for name, value in values.items()
    }


def _card(folder: Path, name: str, use: str, corpus: str) -> str:
    lines = [
        f"name = {json.dumps(name)}",
        f"use = {json.dumps(use)}",
        'licence = "research only"',
        "commercial = false",
        'origin = "trained by this project; see the README beside"',
        f"licence_basis = {json.dumps('own network, learnt from recordings for research only: ' + corpus)}",
    ]
    for path in sorted(p for p in folder.rglob("*") if p.name.endswith(_RUNS)):
        lines += [
            "",
            "[[files]]",
            f'path = "{path.relative_to(folder).as_posix()}"',
            f"size = {path.stat().st_size}",
            f'sha256 = "{sha256_of(path)}"',
        ]
    return "\n".join(lines) + "\n"


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def main() -> None:
    """Read the command line and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    for folder in ("run", "clips", "folder"):
        parser.add_argument(folder, type=Path)
    for text in ("name", "use", "corpus"):
        parser.add_argument(f"--{text}", required=True)
    parser.add_argument("--before", type=Path)
    publish(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
