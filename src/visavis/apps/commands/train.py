"""`visavis train`: train one of the project's networks."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from visavis.training.recipes.catalogue import Recipe

    _ParamType = click.ParamType[float]
else:
    _ParamType = click.ParamType
_ENDINGS = {
    "done": "done",
    "time": "time is up; the same command goes on",
    "asked": "stopped; the same command goes on,",
}
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(_ParamType):
    """Time such as 90s, 25m or 1h30m, as seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it."""
        if isinstance(value, float):
            return value
        parts = re.findall(r"([\d.]+)([smh])", str(value))
        try:
            seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        except ValueError:
            seconds = 0.0
        if seconds <= 0 or "".join(n + u for n, u in parts) != value:
            self.fail(f"{value!r} is not a time; write 90s, 25m or 1h30m", param, ctx)
        return seconds


@click.command("train")
@click.argument("recipe", required=False)
@click.option("--list", "list_them", is_flag=True, help="List the recipes.")
@click.option("--data", type=click.Path(path_type=Path), help="What the recipe trains on.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for checkpoints.")
@click.option("--steps", type=click.IntRange(1), help="In all, instead of the recipe's.")
@click.option(
    "--time-limit",
    type=Duration(),
    help="Stop by then, evaluated and saved, as 25m. Without --steps, as many as fit are made.",
)
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Change a setting.")
@click.option("--threads", type=click.IntRange(1), help="Of the processor.")
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    help="Write the best network into this folder, as .onnx.",
)
@click.option("--show", is_flag=True, help="Show the recipe's settings, and do not train.")
def command(
    recipe: str | None,
    list_them: bool,
    data: Path | None,
    output: Path | None,
    steps: int | None,
    time_limit: float | None,
    changes: tuple[str, ...],
    threads: int | None,
    export: Path | None,
    show: bool,
) -> None:
    """Train a network as RECIPE says, or go on where the folder's checkpoint stands.

    It is saved every minute and on SIGTERM; the same command goes on after a stop or a crash, to the
    same result. Started by torchrun, it trains on many GPUs.
    """
    from visavis.core.errors import MissingExtra

    try:
        import torch

        from visavis.training.overrides import override
        from visavis.training.recipes.catalogue import RECIPES, find_recipe
    except ImportError as error:
        raise MissingExtra(
            f"training needs the extra `train` ({error.name} is missing):"
            " pip install 'visavis[train]'"
        ) from error
    if list_them:
        for entry in RECIPES.values():
            click.echo(f"{entry.name:<18} {entry.about}")
        return
    if recipe is None:
        raise click.UsageError("name a recipe; --list names them all")
    chosen = find_recipe(recipe)
    given = [f"loop.steps={steps}"] if steps else ["loop.steps=0"] if time_limit else []
    config = override(chosen.config(), [*given, *changes])
    if show:
        click.echo(_as_json(config))
        return
    if data is None or output is None:
        raise click.UsageError(f"--data ({chosen.data}) and --output are needed")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if threads:
        torch.set_num_threads(threads)
    _train(chosen, config, data, output, time_limit or 0.0, export)


def _train(
    recipe: Recipe, config: Any, data: Path, output: Path, limit: float, export: Path | None
) -> None:
    began = time.monotonic()
    # Of the processes that torchrun started, the first one writes and speaks.
    is_first = os.environ.get("RANK", "0") == "0"

    def tell(line: str) -> None:
        if is_first:
            click.echo(f"{time.strftime('%H:%M:%S')} {line}")
            sys.stdout.flush()

    with _alone(output) if is_first else contextlib.nullcontext():
        if is_first:
            (output / "recipe.json").write_text(_as_json(config) + "\n", encoding="utf-8")
        outcome = recipe.run(config, data, output, tell=tell, time_limit=limit)
    tell(f"{_ENDINGS[outcome.ended]} after {time.monotonic() - began:.0f} s; best: {outcome.best}")
    if outcome.ended == "asked":
        sys.exit(128 + outcome.signal)
    if export is not None and is_first:
        recipe.export(outcome.best, export)
        tell(f"exported to {export}")


@contextlib.contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Make a folder and keep a second training out of it."""
    import fcntl

    from visavis.core.errors import OutputUnwritable
    from visavis.media.files import unwritable

    try:
        output.mkdir(parents=True, exist_ok=True)
        lock = (output / ".lock").open("w")
    except OSError as error:
        raise unwritable(output, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputUnwritable(
                f"another training writes into {output}; wait for it, or name another folder"
            ) from error
        yield


def _as_json(config: Any) -> str:
    from dataclasses import asdict

    return json.dumps(asdict(config), indent=1)
