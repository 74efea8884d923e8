from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import ChecksumMismatch, FileUnreadable
from visavis.models.assets import load_pickle_restricted


class Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.target}'",)


def dump(path: Path, value: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_arrays_come_back(tmp_path: Path, protocol: int) -> None:
    value = OrderedDict(w=np.arange(6, dtype=np.float32).reshape(2, 3), n=np.float64(2), k=[1, "a"])
    back = load_pickle_restricted(dump(tmp_path / "w.pkl", value, protocol))
    assert np.array_equal(back["w"], value["w"])
    assert back["n"] == 2
    assert back["k"] == [1, "a"]


def test_arrays_of_old_numpy_come_back(tmp_path: Path) -> None:
    raw = pickle.dumps(np.arange(3.0), 2).replace(b"numpy._core.", b"numpy.core.")
    (tmp_path / "w.pkl").write_bytes(raw)
    assert np.array_equal(load_pickle_restricted(tmp_path / "w.pkl"), np.arange(3.0))


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_attack_does_not_run(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "owned"
    path = dump(tmp_path / "w.pkl", {"w": Attack(target)}, protocol)
    with pytest.raises(ChecksumMismatch, match=r"posix\.system"):
        load_pickle_restricted(path)
    assert not target.exists()
    pickle.loads(path.read_bytes())  # the attack is a real one
    assert target.exists()


def test_attribute_walk_does_not_run(tmp_path: Path) -> None:
    # STACK_GLOBAL "numpy", "ndarray.__class__": the module is allowed, the walk is not.
    path = tmp_path / "w.pkl"
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.")
    with pytest.raises(ChecksumMismatch):
        load_pickle_restricted(path, {"numpy.ndarray", "numpy.ndarray.__class__"})


def test_what_is_not_a_pickle(tmp_path: Path) -> None:
    (tmp_path / "w.pkl").write_bytes(b"\x89PNG nothing of the kind")
    with pytest.raises(FileUnreadable, match="not a pickle"):
        load_pickle_restricted(tmp_path / "w.pkl")
    whole = pickle.dumps(np.arange(1000))
    (tmp_path / "w.pkl").write_bytes(whole[:500])
    with pytest.raises(FileUnreadable):
        load_pickle_restricted(tmp_path / "w.pkl")
    with pytest.raises(FileUnreadable, match="no file"):
        load_pickle_restricted(tmp_path / "absent.pkl")
