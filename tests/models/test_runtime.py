from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import (
    ChecksumMismatch,
    ConfigError,
    MissingExtra,
    MissingWeights,
    StageError,
)
from visavis.models import runtime


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number: int, body: bytes | int) -> bytes:
    if isinstance(body, int):
        return varint(number << 3) + varint(body)
    return varint(number << 3 | 2) + varint(len(body)) + body


def tensor_info(name: str) -> bytes:
    side = field(1, field(2, b"n")) + field(1, field(1, 3))  # shape (n, 3)
    kind = field(1, field(1, 1) + field(2, side))  # float32
    return field(1, name.encode()) + field(2, kind)


def make_network(path: Path) -> Path:
    """Write y = x + x as ONNX by hand, since the onnx package is no dependency."""
    node = field(1, b"x") + field(1, b"x") + field(2, b"y") + field(4, b"Add")
    graph = field(1, node) + field(2, b"g") + field(11, tensor_info("x"))
    graph += field(12, tensor_info("y"))
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, 17)))
    return path


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("VISAVIS_RUNTIME", raising=False)
    return make_network(tmp_path / "double 双.onnx")


RUNTIMES = ["onnxruntime"] + (["openvino"] if runtime.find_spec("openvino") else [])


@pytest.mark.parametrize("kind", RUNTIMES)
def test_runs_and_describes(network: Path, kind: runtime.Runtime) -> None:
    loaded = runtime.load(network, runtime=kind, threads=1)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(loaded.run({"x": x})["y"], 2 * x)
    assert loaded.inputs == (runtime.TensorSpec("x", (None, 3), "float32"),)
    assert loaded.outputs == (runtime.TensorSpec("y", (None, 3), "float32"),)
    assert "threads=1" in loaded.description


@pytest.mark.parametrize("kind", RUNTIMES)
def test_network_in_memory(network: Path, kind: runtime.Runtime) -> None:
    loaded = runtime.load(network.read_bytes(), runtime=kind)
    assert loaded.run({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[2, 2, 2]]


def test_results_do_not_share_memory(network: Path) -> None:
    loaded = runtime.load(network)
    first = loaded.run({"x": np.ones((1, 3), np.float32)})["y"]
    loaded.run({"x": np.zeros((1, 3), np.float32)})
    assert first.tolist() == [[2, 2, 2]]


def test_same_settings_are_loaded_once(network: Path) -> None:
    assert runtime.load(network) is runtime.load(network)
    assert runtime.load(network, threads=1) is not runtime.load(network, threads=2)


def test_several_threads_do_not_mix(network: Path) -> None:
    loaded = runtime.load(network)
    wrong: list[int] = []

    def work(value: int) -> None:
        x = np.full((4, 3), value, np.float32)
        for _ in range(200):
            if not (loaded.run({"x": x})["y"] == 2 * value).all():
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_setting_decides_where_the_caller_does_not(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAVIS_RUNTIME", "onnxruntime")
    assert "ONNX Runtime" in runtime.load(network).description
    monkeypatch.setenv("VISAVIS_RUNTIME", "tensorflow")
    with pytest.raises(ConfigError, match="VISAVIS_RUNTIME is 'tensorflow'"):
        runtime.load(network)
    assert runtime.load(network, runtime="onnxruntime")


def test_precision_is_taken_and_told(network: Path) -> None:
    full = runtime.load(network, runtime="openvino", precision="fp32")
    assert "f32" in full.description
    half = runtime.load(network, runtime="openvino", precision="bf16")
    assert half is not full
    x = np.array([[1 + 2**-12, 3, 5]], np.float32)
    assert np.array_equal(full.run({"x": x})["y"], 2 * x)
    np.testing.assert_allclose(half.run({"x": x})["y"], 2 * x, rtol=2**-8)
    portable = runtime.load(network, runtime="onnxruntime", precision="bf16")
    assert np.array_equal(portable.run({"x": x})["y"], 2 * x)


def test_missing_runtime_is_named(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install openvino"):
        runtime.load(network, runtime="openvino")


def test_openvino_format_needs_openvino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "n.xml"
    path.write_text("<net/>")
    with pytest.raises(ConfigError, match="OpenVINO's format"):
        runtime.load(path, runtime="onnxruntime")
    monkeypatch.delenv("VISAVIS_RUNTIME", raising=False)
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra):
        runtime.load(path)


def test_missing_device_is_named(network: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(MissingExtra, match="onnxruntime-gpu"):
            runtime.load(network, runtime="onnxruntime", device="cuda")
    assert "CPU" in runtime.load(network, runtime="onnxruntime", device="cpu").description


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="no network file"):
        runtime.load(tmp_path / "absent.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a network at all")
    with pytest.raises(ChecksumMismatch, match="cannot read"):
        runtime.load(tmp_path / "bad.onnx")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", RUNTIMES)
def test_wrong_inputs_are_one_sentence(network: Path, kind: runtime.Runtime, threads: int) -> None:
    loaded = runtime.load(network, runtime=kind, threads=threads)
    with pytest.raises(StageError, match=r"double 双\.onnx failed"):
        loaded.run({"z": np.zeros((1, 3), np.float32)})
    with pytest.raises(StageError, match="failed"):
        loaded.run({"x": np.zeros((1, 4), np.float32)})


@pytest.mark.skipif(not Path("/proc/thread-self/comm").exists(), reason="Linux names threads")
def test_a_pool_bears_the_name_that_it_was_loaded_under(network: Path) -> None:
    with runtime.naming_threads("pool of a test"):
        loaded = runtime.load(network, runtime="onnxruntime", threads=3, device="cpu")
    loaded.run({"x": np.ones((1, 3), np.float32)})
    names = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    assert names.count("pool of a test") >= 2, names  # and the caller's is the third
    assert Path("/proc/thread-self/comm").read_text().strip() != "pool of a test"
