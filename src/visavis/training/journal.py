"""Where training writes what it sees: CSV, TensorBoard, and lines for whoever watches."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.core.types import Picture

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Journal:
    """Curves that a resumed training continues without doubled rows.

    Args:
        folder: For ``loss.csv``, ``evaluation.csv`` and TensorBoard's files; None writes nothing.
        step: Where training goes on; what was written for later steps, which will be done again, is
            taken back.
        tell: Takes lines for whoever watches.
        board: Whether TensorBoard's files are written.
    """

    def __init__(
        self, folder: Path | None, step: int, tell: Callable[[str], None], board: bool
    ) -> None:
        self._folder, self._tell = folder, tell
        self._board: SummaryWriter | None = None
        if folder is None:
            return
        for name in ("loss.csv", "evaluation.csv"):
            _take_back(folder / name, step)
        if board:
            self._board = _open_board(folder / "tensorboard", step)

    def say(self, line: str) -> None:
        """Tell whoever watches."""
        self._tell(line)

    def add(self, name: str, step: int, values: Mapping[str, float]) -> None:
        """Add a row to the curve ``name``, which is ``loss`` or ``evaluation``."""
        if self._folder is not None:
            append_row(self._folder / f"{name}.csv", {"step": step, **values})
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(f"{name}/{key}", value, step)

    def add_pictures(self, step: int, pictures: Mapping[str, Picture]) -> None:
        """Show sample pictures."""
        if self._board is not None:
            for key, picture in pictures.items():
                self._board.add_image(key, picture, step, dataformats="HWC")

    def flush(self) -> None:
        """Bring everything to disk."""
        if self._board is not None:
            self._board.flush()

    def close(self) -> None:
        """Close the files."""
        if self._board is not None:
            self._board.close()


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Append to a CSV whose first line names the columns; columns that are new are dropped."""
    names = _names(path)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if names is None:
            names = list(row)
            writer.writerow(names)
        writer.writerow([_format(row.get(name, float("nan"))) for name in names])


def _format(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.5g}"


def _names(path: Path) -> list[str] | None:
    if not path.exists():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), None)


def _take_back(path: Path, step: int) -> None:
    """Drop the rows of later steps, and a line that was cut short."""
    names = _names(path)
    if not names:
        path.unlink(missing_ok=True)
        return
    with path.open(newline="", encoding="utf-8") as file:
        rows: list[Any] = list(csv.reader(file))[1:]
    kept = [row for row in rows if len(row) == len(names) and int(row[0]) <= step]
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *kept])
    part.replace(path)


def _open_board(folder: Path, step: int) -> SummaryWriter:
    with warnings.catch_warnings():
        # TensorBoard's own use of libraries that have moved on.
        warnings.simplefilter("ignore", DeprecationWarning)
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(folder), purge_step=step + 1 if step else None)  # type: ignore[no-untyped-call]
