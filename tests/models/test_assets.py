from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from visavis.core.errors import ChecksumMismatch, MissingWeights, UnknownAsset
from visavis.models import assets
from visavis.models.assets import Asset, File, Package, Url, store

MODELS = Path(assets.__file__).parent.parent


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "缓存 dir"))
    monkeypatch.delenv("VISAVIS_MODELS", raising=False)
    monkeypatch.delenv("VISAVIS_OFFLINE", raising=False)


def make_asset(name: str = "tiny", **changes: object) -> Asset:
    content = b"weights"
    fields: dict[str, object] = {
        "name": name,
        "use": "test",
        "licence": "MIT",
        "commercial": True,
        "origin": "https://example.org",
        "files": (File("a.bin", len(content), hashlib.sha256(content).hexdigest()),),
        "is_file": True,
    }
    return Asset(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Asset:
    asset = make_asset()
    monkeypatch.setitem(assets.CATALOGUE, asset.name, asset)
    return asset


def put(folder: Path, content: bytes = b"weights") -> Path:
    path = folder / "tiny" / "a.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_unknown_name_lists_known_ones() -> None:
    with pytest.raises(UnknownAsset, match=r"'nonsense'.*yunet"):
        assets.locate("nonsense")


def test_missing_asset_says_how_to_get_it(tiny: Asset) -> None:
    with pytest.raises(MissingWeights, match="visavis models pull tiny"):
        assets.locate("tiny")


def test_user_folder_is_looked_in_before_the_cache(
    tiny: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_cache = put(assets.home())
    assert assets.locate("tiny") == in_cache
    monkeypatch.setenv("VISAVIS_MODELS", str(tmp_path / "own"))
    assert assets.home() == tmp_path / "own"
    assert assets.locate("tiny") == in_cache, "an empty folder of the user's hides nothing"
    in_own = put(tmp_path / "own")
    assert assets.locate("tiny") == in_own


def test_wrong_file_in_user_folder_is_not_taken(
    tiny: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAVIS_MODELS", str(tmp_path / "own"))
    put(tmp_path / "own", b"WEIGHTS")
    with pytest.raises(ChecksumMismatch, match=r"SHA-256 .* instead of .*visavis models pull tiny"):
        assets.locate("tiny")
    in_cache = put(store.cache())
    assert assets.locate("tiny") == in_cache


def test_changed_file_is_noticed_after_it_was_accepted(tiny: Asset) -> None:
    path = put(assets.home())
    assert assets.locate("tiny") == path
    path.write_bytes(b"WEIGHTS")
    with pytest.raises(ChecksumMismatch):
        assets.locate("tiny")


def test_verify_sees_what_locate_trusts(tiny: Asset) -> None:
    path = put(assets.home())
    assets.locate("tiny")
    stat = path.stat()
    path.write_bytes(b"WEIGHTS")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert assets.locate("tiny") == path, "same size and time: not hashed again"
    assert "SHA-256" in assets.verify(["tiny"])["tiny"][0]
    with pytest.raises(ChecksumMismatch):
        assets.locate("tiny")


def test_verify_of_absent_asset(tiny: Asset) -> None:
    assert assets.verify(["tiny"]) == {"tiny": ["not on this machine"]}
    assert "tiny" not in assets.verify()


def test_pull_destination_falls_back_to_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    monkeypatch.setenv("VISAVIS_MODELS", str(in_the_way))
    assert assets.home() == store.cache()


def test_installed_asset_lies_in_its_package() -> None:
    folder = assets.locate("universal-sentence-encoder-multilingual")
    assert (folder / "weights.npz").is_file()


def test_installed_asset_of_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    asset = make_asset(kind="installed", module="no_such_module", folder="data")
    monkeypatch.setitem(assets.CATALOGUE, "tiny", asset)
    with pytest.raises(MissingWeights, match=r"reinstall the Python package.*no_such_module"):
        assets.locate("tiny")


def test_catalogue_is_complete() -> None:
    for name, asset in assets.CATALOGUE.items():
        assert name == asset.name
        assert asset.use
        assert asset.licence
        assert asset.licence_basis
        assert asset.origin.startswith("https://")
        assert asset.files
        for file in asset.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.size >= 0  # vosk has empty configuration files
            assert ".." not in Path(file.path).parts
            assert not Path(file.path).is_absolute()
        assert asset.sources or asset.kind != "pulled"
        for source in asset.sources:
            if isinstance(source, Package):
                assert all(re.fullmatch(r"[\w-]+==[\w.]+", a.requirement) for a in source.archives)
            else:
                assert isinstance(source, Url)
                assert source.url.startswith("https://")
        assert not asset.is_file or len(asset.files) == 1
    for name in assets.DEFAULT_ASSETS:
        assert assets.CATALOGUE[name].commercial


def test_no_default_asset_needs_consent() -> None:
    assert not assets.get("random-face").commercial
    assert "random-face" not in assets.DEFAULT_ASSETS


def test_bundled_weights_have_a_card_that_fits() -> None:
    for folder in sorted(MODELS.glob("*/weights")):
        paths = sorted(
            p
            for p in folder.rglob("*")
            if p.suffix in {".onnx", ".npz", ".npy", ".bin", ".xml", ".tflite", ".safetensors"}
        )
        wanted = "".join(
            f'\n[[files]]\npath = "{p.relative_to(folder)}"\nsize = {p.stat().st_size}\n'
            f'sha256 = "{store.sha256_of(p)}"\n'
            for p in paths
        )
        assert (folder / store.CARD).is_file(), f"add {folder}/{store.CARD} with:{wanted}"
        asset = next(
            a
            for a in assets.entries().values()
            if a.kind == "bundled" and MODELS / a.folder == folder
        )
        assert {f.path for f in asset.files} >= {str(p.relative_to(folder)) for p in paths}
        assert assets.verify([asset.name]) == {asset.name: []}, f"the card should say:{wanted}"
        assert asset.licence != "unstated"


@pytest.mark.assets
def test_pulled_models_are_the_pinned_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    names = [a.name for a in assets.CATALOGUE.values() if a.commercial and not a.is_large]
    assert assets.verify(names) == {name: [] for name in names}
