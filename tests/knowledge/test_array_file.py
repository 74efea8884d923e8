import logging
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from visavis.knowledge import array_file
from visavis.knowledge.array_file import Parts, collect_arrays, keep_arrays, map_arrays

WANTED = {
    "whitening": np.eye(3, dtype=np.float32),
    "zh/letters": np.frombuffer("护照".encode(), np.uint8),
    "zh/rows": np.arange(10, dtype=np.float16).reshape(5, 2),
    "zh/nothing": np.zeros((0, 4), np.int64),
}


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Parts:
        self.calls += 1
        for name, array in WANTED.items():
            # In blocks, as large ones come.
            yield name, iter([array[:2], array[2:]] if len(array) > 2 else [array])


def check(found: object) -> None:
    assert isinstance(found, dict)
    assert set(found) == set(WANTED)
    for name, array in WANTED.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_arrays_are_made_once_and_mapped_from_then_on(tmp_path: Path) -> None:
    make, path = Maker(), tmp_path / "below" / "one.arrays"
    for _ in range(3):
        found = keep_arrays(path, make)
        check(found)
        assert not found["zh/rows"].flags.writeable
        assert found["zh/rows"].ctypes.data % 64 == 0
    assert make.calls == 1
    assert os.listdir(path.parent) == ["one.arrays"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_arrays_in_memory_are_the_same() -> None:
    check(collect_arrays(Maker()()))


@pytest.mark.parametrize(
    "damage", ["empty", "short", "cut", "first", "middle", "head", "mark", "length", "text", "more"]
)
def test_a_broken_file_is_made_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, path = Maker(), tmp_path / "one.arrays"
    keep_arrays(path, make)
    content = bytearray(path.read_bytes())
    line = len(content) - int.from_bytes(content[-16:-8], "little") - 16
    broken = {
        "empty": b"",
        "short": b"12345",
        "cut": content[: len(content) // 2],
        "first": bytes([content[0] ^ 1]) + content[1:],
        "middle": content[:64] + bytes([content[64] ^ 128]) + content[65:],
        "head": content[:line] + b"!" + content[line + 1 :],
        "mark": content[:-1] + b"9",
        "length": content[:-16] + b"\xff" * 8 + content[-8:],
        "text": b"not arrays at all, " * 100,
        "more": content + b"x",
    }[damage]
    path.write_bytes(broken)
    with caplog.at_level(logging.WARNING):
        check(keep_arrays(path, make))
    assert "made again" in caplog.text
    check(keep_arrays(path, make))
    assert make.calls == 2


def test_what_cannot_be_written_is_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    make = Maker()
    check(keep_arrays(tmp_path / "file" / "one.arrays", make))
    check(keep_arrays(tmp_path / "file" / "one.arrays", make))


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
import resource, sys
from pathlib import Path
import numpy as np
from visavis.knowledge.array_file import keep_arrays
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
made = keep_arrays(Path(sys.argv[1]), lambda: iter([("a", iter([np.arange(50_000)]))]))
assert made["a"][-1] == 49_999
"""
    subprocess.run([sys.executable, "-c", script, tmp_path / "one.arrays"], check=True)
    assert os.listdir(tmp_path) == []


def test_an_error_while_making_leaves_no_half_file(tmp_path: Path) -> None:
    def make() -> Iterator[tuple[str, Iterator[np.ndarray]]]:
        yield "a", iter([np.zeros(3)])
        raise LookupError("no vectors today")

    with pytest.raises(LookupError, match="today"):
        keep_arrays(tmp_path / "one.arrays", make)
    assert os.listdir(tmp_path) == []


def test_what_was_not_used_for_longest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def age(name: str, seconds: float) -> None:
        os.utime(tmp_path / name, (time.time() - seconds,) * 2)

    for number in range(3):
        keep_arrays(tmp_path / f"{number}.arrays", Maker())
        age(f"{number}.arrays", 1_000 - number)
    (tmp_path / "vectors-1.npz").write_bytes(b"of another kind")
    (tmp_path / "left.part").write_bytes(b"of a process that was killed")
    (tmp_path / "young.part").write_bytes(b"of a process that writes")
    age("left.part", 100_000)
    assert map_arrays(tmp_path / "0.arrays") is not None  # the oldest, but used
    keep_arrays(tmp_path / "3.arrays", Maker())
    assert sorted(os.listdir(tmp_path)) == [
        "0.arrays", "2.arrays", "3.arrays", "vectors-1.npz", "young.part"
    ]  # fmt: skip
    assert array_file.ENDING == ".arrays"


def test_arrays_outlive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "one.arrays"
    found = keep_arrays(path, Maker())
    path.unlink()
    check(found)
