"""The folder of a network of the BERT family, as Hugging Face's exports lay it out."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from visavis.core.errors import ChecksumMismatch, ConfigError, MissingWeights, UnknownAsset
from visavis.models.assets import locate

Task: TypeAlias = Literal["feature-extraction", "text-classification"]
"""What a network was exported for: vectors of texts, or scores of them."""

_NETWORKS = ("model.onnx", "model_quantized.onnx")
_TOKENIZERS = ("tokenizer.json", "vocab.txt")
_TORCH = ("model.safetensors", "pytorch_model.bin", "tf_model.h5")
_BESIDE = ("_data", ".data")
"""Ends of the files that hold what is too large for the network's own."""

_POINTER = b"version https://git-lfs"
_EXPORT = "optimum-cli export onnx --task {} --model NAME FOLDER"


@dataclass(frozen=True)
class Folder:
    """What a network is read from.

    Attributes:
        root: The folder, for messages.
        network: The ONNX file.
        tokenizer: ``tokenizer.json``, or the word list ``vocab.txt``.
    """

    root: Path
    network: Path
    tokenizer: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """``config.json``, empty where there is none."""
        return self._read_json("config.json")

    @cached_property
    def tokenizer_config(self) -> dict[str, Any]:
        """``tokenizer_config.json``, empty where there is none."""
        return self._read_json("tokenizer_config.json")

    @property
    def files(self) -> list[Path]:
        """Everything that what the network says depends on and that is there."""
        beside = [self.network.with_name(self.network.name + end) for end in _BESIDE]
        settings = [self.tokenizer.with_name("config.json")]
        settings.append(self.tokenizer.with_name("tokenizer_config.json"))
        return [
            self.network,
            *(path for path in beside if path.is_file()),
            self.tokenizer,
            *(path for path in settings if path.is_file()),
        ]

    def start_digest(self) -> hashlib._Hash:
        """Return a SHA-256 of all `files`, to which settings may be added."""
        digest = hashlib.sha256()
        for path in self.files:
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest

    def _read_json(self, name: str) -> dict[str, Any]:
        path = self.tokenizer.with_name(name)
        if not path.is_file():
            return {}
        try:
            content = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ChecksumMismatch(f"{path} cannot be read ({error}); copy it anew") from error
        if not isinstance(content, dict):
            raise ChecksumMismatch(f"{path} holds no settings; copy it anew")
        return content


def open_folder(source: str | Path, task: Task) -> Folder:
    """Find the files of a network; none is read.

    Args:
        source: A folder with ``model.onnx``, ``onnx/model.onnx`` or their ``model_quantized.onnx``,
            or with one other network, and with ``tokenizer.json`` or ``vocab.txt``; or one of the
            networks in such a folder; or the name of an asset.
        task: What it is for; messages say how such a network is exported.

    Raises:
        UnknownAsset: There is no such asset, folder or file.
        MissingWeights: The asset is not on this machine, or the folder lacks a file.
        ConfigError: The folder holds several networks of other names.
    """
    if isinstance(source, str):
        with suppress(UnknownAsset):  # then it is a folder
            source = locate(source)
    path = Path(source).expanduser()
    if path.is_dir():
        network = _find_network(path, task)
        root = path
    elif path.is_file():
        network = path
        root = path.parent.parent if path.parent.name == "onnx" else path.parent
    else:
        raise UnknownAsset(
            f"there is no model and no folder {str(source)!r}; `visavis models list` names the"
            " models, and a folder holds model.onnx and tokenizer.json"
        )
    for name in _TOKENIZERS:
        if (root / name).is_file():
            return Folder(root, network, root / name)
    raise MissingWeights(
        f"{root} has neither tokenizer.json nor vocab.txt; copy one from where the network came"
    )


def explain_unreadable(path: Path, task: Task) -> str:
    """Say what to do about a network that no runtime can read."""
    with path.open("rb") as stream:
        if stream.read(len(_POINTER)) == _POINTER:
            return "it is a pointer of Git LFS and not the file: run `git lfs pull` there"
    return f"copy it anew, or export it again: {_EXPORT.format(task)}"


def _find_network(root: Path, task: Task) -> Path:
    for folder in (root, root / "onnx"):
        for name in _NETWORKS:
            if (folder / name).is_file():
                return folder / name
    others = sorted([*root.glob("*.onnx"), *root.glob("onnx/*.onnx")])
    if len(others) == 1:
        return others[0]
    if others:
        names = ", ".join(str(path.relative_to(root)) for path in others)
        raise ConfigError(f"{root} holds several networks ({names}); give the path of one")
    if any((root / name).is_file() for name in _TORCH):
        raise MissingWeights(
            f"{root} holds weights and no ONNX network; export it: {_EXPORT.format(task)}"
        )
    raise MissingWeights(f"{root} has no model.onnx; export one: {_EXPORT.format(task)}")
