"""Where avatars lie and what they may be called."""

import hashlib
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import FileUnreadable, InputError, OutputUnwritable, UnknownAvatar
from visavis.core.types import Picture
from visavis.media.picture import write_png
from visavis.stages.avatars import create, store


@pytest.mark.parametrize("name", ["mei", "adam", "ruth"])
def test_shipped_avatars_load(home: Path, name: str) -> None:
    avatar = store.load(name)
    assert avatar.name == name
    assert avatar.frames.shape == (1, 768, 768, 3)
    assert avatar.track.landmarks.shape == (1, 478, 3)
    assert avatar.mattes is not None
    assert avatar.mattes.shape == (1, 768, 768)
    x0, y0, x1, y1 = avatar.track.boxes[0].astype(int)
    assert avatar.mattes[0, y0:y1, x0:x1].mean() > 240
    assert avatar.mattes[0, :40, :40].max() < 10
    assert set(avatar.voice) == {"zh", "en"}
    for key in ("provenance", "licence", "about"):
        assert avatar.info[key]
    assert "non-commercial" in avatar.info["licence"]
    female = name != "adam"
    assert avatar.voice["zh"].startswith("zf_" if female else "zm_")
    assert avatar.voice["en"][1] == ("f" if female else "m")


def test_shipped_avatars_are_small_and_documented() -> None:
    folder = Path(store.__file__).parent / "defaults"
    packs = list(folder.glob("*.avatar"))
    assert len(packs) == 3
    assert sum(p.stat().st_size for p in packs) < 6_000_000
    readme = (folder / "README.md").read_text()
    for pack in packs:
        assert f"`{pack.stem}`" in readme
        digest = hashlib.sha256(pack.read_bytes()).hexdigest()
        assert f"`{digest[:8]}…{digest[-8:]}`" in readme


def test_default_comes_first(home: Path) -> None:
    names = [a.name for a in store.list_avatars()]
    assert names[0] == store.DEFAULT
    assert names == ["mei", "adam", "ruth"]


def test_save_list_load_remove(home: Path) -> None:
    avatar = replace(store.load("mei"), name="林 小姐")
    path = store.save(avatar)
    assert path == home / "林 小姐.avatar"
    assert [a.name for a in store.list_avatars()][-1] == "林 小姐"
    again = store.load("林 小姐")
    assert again.name == "林 小姐"
    assert np.array_equal(again.frames, avatar.frames)
    assert np.allclose(again.track.landmarks, avatar.track.landmarks)
    assert list(home.iterdir()) == [path]
    assert store.remove("林 小姐") == path
    assert not path.exists()
    with pytest.raises(UnknownAvatar, match="no avatar is called '林 小姐'; there are: mei, adam"):
        store.load("林 小姐")


def test_names_are_the_same_however_letters_are_composed(home: Path) -> None:
    store.save(replace(store.load("mei"), name=unicodedata.normalize("NFD", "Zoë")))
    assert store.load(unicodedata.normalize("NFC", "Zoë")).name == "Zoë"
    assert store.load(unicodedata.normalize("NFD", "Zoë")).name == "Zoë"


def test_overwriting_must_be_asked_for(home: Path) -> None:
    avatar = replace(store.load("mei"), name="a")
    store.save(avatar)
    with pytest.raises(OutputUnwritable, match="called 'a' already"):
        store.save(avatar)
    store.save(replace(avatar, voice={"zh": "zm_yunxi"}), overwrite=True)
    assert store.load("a").voice == {"zh": "zm_yunxi"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_shipped_ones_are_neither_replaced_nor_removed(home: Path, overwrite: bool) -> None:
    with pytest.raises(OutputUnwritable, match="shipped"):
        store.save(store.load("mei"), overwrite=overwrite)
    with pytest.raises(InputError, match="shipped"):
        store.remove("mei")


@pytest.mark.parametrize("name", ["Anna", "小美", "Ольга 2", "أحمد", "देवी", "a_b-c", "José", "4"])
def test_names_of_any_language(name: str) -> None:
    assert store.check_name(f" {name} ") == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "name",
    ["", "   ", "a/b", "..", ".", "a\\b", "a:b", "../x", "a\0b", "a\nb", "-rf", "a.avatar", "~",
     "x" * 65, "con", "LPT1", "a\u202eb", "\u0301a", "a*", "🙂", "\ud800"],
)  # fmt: skip
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        store.check_name(name)
    assert type(caught.value) is InputError
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wanted", ["nobody", "../../no/such", "no/such.png", "a\0b", "x" * 5000])
def test_unknown(home: Path, wanted: str) -> None:
    with pytest.raises((UnknownAvatar, FileUnreadable)):
        store.load(wanted)


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "flipped"])
def test_damaged_pack(home: Path, damage: str) -> None:
    path = store.save(replace(store.load("mei"), name="a"))
    data = path.read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes(b ^ 255 for b in data[middle : middle + 64])
    path.write_bytes(
        {
            "cut": data[:middle],
            "text": b"hello",
            "empty": b"",
            "flipped": flipped + data[middle + 64 :],
        }[damage]
    )
    with pytest.raises(FileUnreadable, match=r"a\.avatar"):
        store.load("a")
    assert "a" in [a.name for a in store.list_avatars()]


def test_pack_by_path(home: Path, tmp_path: Path) -> None:
    path = store.save(replace(store.load("adam"), name="b"))
    moved = path.rename(tmp_path / "c d 脸.avatar")
    assert store.load(moved).name == "b"
    assert store.load(str(moved)).name == "b"


@pytest.mark.assets
def test_picture_is_made_once(
    home: Path, tmp_path: Path, mei: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "我的照片 1.png"
    write_png(path, mei)
    first = store.load(str(path))
    assert first.name == "我的照片 1"
    assert len(list(store.cache().iterdir())) == 1

    def fail(*_: object) -> None:
        raise AssertionError("made twice")

    with monkeypatch.context() as patch:
        patch.setattr(create, "create_avatar", fail)
        second = store.load(path.rename(tmp_path / "other.png"))
    assert second.name == "other"
    assert np.array_equal(first.frames, second.frames)
    write_png(tmp_path / "other.png", mei[:, ::-1].copy())
    third = store.load(str(tmp_path / "other.png"))
    assert not np.array_equal(third.frames, first.frames)
    assert len(list(store.cache().iterdir())) == 2


@pytest.mark.assets
def test_damaged_cache_is_made_again(home: Path, tmp_path: Path, mei: Picture) -> None:
    path = tmp_path / "a.png"
    write_png(path, mei)
    store.load(path)
    kept = next(store.cache().iterdir())
    kept.write_bytes(b"rubbish")
    assert store.load(path).is_portrait
    assert kept.stat().st_size > 1000


@pytest.mark.assets
def test_cache_that_cannot_be_written_is_no_failure(
    home: Path, tmp_path: Path, mei: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(store, "cache", lambda: blocked / "avatars")
    path = tmp_path / "a.png"
    write_png(path, mei)
    assert store.load(path).is_portrait


@pytest.mark.assets
def test_cache_does_not_grow_without_end(
    home: Path, tmp_path: Path, mei: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_KEPT", 2)
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.png")
        image = mei.copy()
        image[0, 0] = i
        write_png(paths[-1], image)
        store.load(paths[-1])
        for age, pack in enumerate(
            sorted(store.cache().iterdir(), key=lambda p: p.stat().st_mtime)
        ):
            os.utime(pack, (age, age))
    kept = set(store.cache().iterdir())
    assert len(kept) == 2
    store.load(paths[2])
    store.load(paths[1])
    assert set(store.cache().iterdir()) == kept


@pytest.mark.assets
def test_interruption_stores_nothing(home: Path, tmp_path: Path, mei: Picture) -> None:
    path = tmp_path / "a.png"
    write_png(path, mei)

    def interrupt(what: str, done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.create(path, "a", progress=interrupt)
    assert not home.exists() or not list(home.iterdir())


@pytest.mark.assets
def test_nothing_is_stored_when_making_fails(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "flat.png"
    write_png(path, np.full((200, 200, 3), 90, np.uint8))
    with pytest.raises(InputError):
        store.create(path, "a")
    assert not home.exists() or not list(home.iterdir())


def test_home_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    avatar = replace(store.load("mei"), name="a")
    monkeypatch.setenv("VISAVIS_HOME", str(blocked))
    with pytest.raises(OutputUnwritable):
        store.save(avatar)


def test_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VISAVIS_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert store.home() == tmp_path / "visavis" / "avatars"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert store.cache() == tmp_path / "c" / "visavis" / "avatars"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert store.home() == tmp_path / "me/.local/share/visavis/avatars"
