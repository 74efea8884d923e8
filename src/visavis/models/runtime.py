"""Running a network file: ONNX Runtime or OpenVINO, by what is installed and by a setting.

OpenVINO is taken where it is installed, because on a CPU with bf16 or VNNI it needs about half the
time; ONNX Runtime is what every installation has. ``VISAVIS_RUNTIME`` decides where a caller leaves
it open.
"""

from __future__ import annotations

import logging
import os
from asyncio import CancelledError
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from visavis.core.cancelling import CURRENT
from visavis.core.errors import (
    ChecksumMismatch,
    ConfigError,
    MissingExtra,
    MissingWeights,
    StageError,
)

log = logging.getLogger(__name__)

Runtime: TypeAlias = Literal["auto", "onnxruntime", "openvino"]
Device: TypeAlias = Literal["auto", "cpu", "cuda", "tensorrt"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16"]
Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output. A dimension that may vary is None."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    """As numpy names it."""


class Network(Protocol):
    """A loaded network. May be run from several threads at once."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What it takes."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What it gives."""
        ...

    @property
    def description(self) -> str:
        """Runtime, version, device and threads, for logs and benchmarks."""
        ...

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all outputs.

        Raises:
            StageError: The runtime refused the inputs or failed.
        """
        ...


def default_threads() -> int:
    """Two threads, or one where this process has one core: more slow each other down in a pipeline."""
    return min(2, len(os.sched_getaffinity(0)))


def load(
    path: Path | bytes,
    *,
    runtime: Runtime = "auto",
    threads: int | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
) -> Network:
    """Load a network; the same file with the same settings is loaded once.

    Args:
        path: An .onnx file, or OpenVINO's .xml with its .bin beside it; or an ONNX network in
            memory, which is loaded anew at each call.
        runtime: ``auto`` asks VISAVIS_RUNTIME, then takes OpenVINO if it is installed, else ONNX
            Runtime. Name one only where the network needs it.
        threads: For one inference; by default `default_threads`.
        device: ``auto`` takes a GPU that ONNX Runtime can use, else the CPU. ``tensorrt`` is never
            taken by itself, because it spends minutes on building an engine.
        precision: Of what the file has in single precision. ``auto`` is the runtime's choice:
            OpenVINO takes bf16 where the processor has it, ONNX Runtime knows ``fp32`` only and
            takes that whatever is asked.

    Raises:
        MissingWeights: There is no such file.
        ChecksumMismatch: It is no network that the runtime can read.
        MissingExtra: The runtime or device asked for is not installed.
        ConfigError: VISAVIS_RUNTIME names no runtime.
    """
    threads = threads or default_threads()
    if isinstance(path, Path) and not path.is_file():
        raise MissingWeights(f"there is no network file {path}; run `visavis models list`")
    suffix = path.suffix if isinstance(path, Path) else ""
    chosen = _choose(suffix, runtime)
    try:
        return _load_any(path, chosen, threads, device, precision)
    except ChecksumMismatch as error:
        if runtime != "auto" or chosen != "openvino" or suffix == ".xml":
            raise
        # OpenVINO does not know every operator; the portable runtime may.
        log.warning("%s; taking ONNX Runtime", error)
        return _load_any(path, "onnxruntime", threads, device, precision)


def _choose(suffix: str, runtime: Runtime) -> Runtime:
    if runtime == "auto":
        wish = os.environ.get("VISAVIS_RUNTIME", "").strip().lower() or "auto"
        if wish not in get_args(Runtime):
            raise ConfigError(
                f"VISAVIS_RUNTIME is {wish!r}; it can be {', '.join(get_args(Runtime))}"
            )
        runtime = wish  # type: ignore[assignment]  # just checked
    if suffix == ".xml":
        if runtime == "onnxruntime":
            raise ConfigError("an .xml is in OpenVINO's format; ONNX Runtime cannot read it")
        runtime = "openvino"
    if runtime == "auto":
        return "openvino" if find_spec("openvino") else "onnxruntime"
    if find_spec(runtime) is None:
        raise MissingExtra(f"the runtime {runtime!r} is not installed: pip install {runtime}")
    return runtime


def _load_any(
    path: Path | bytes, runtime: Runtime, threads: int, device: Device, precision: Precision
) -> Network:
    if isinstance(path, bytes):
        return _open(path, "in memory", runtime, threads, device, precision)
    return _load(path.resolve(), path.stat().st_mtime_ns, runtime, threads, device, precision)


@lru_cache(maxsize=32)
def _load(
    path: Path, mtime: int, runtime: Runtime, threads: int, device: Device, precision: Precision
) -> Network:
    # mtime is part of the key only: a file that was replaced is loaded anew.
    return _open(str(path), path.name, runtime, threads, device, precision)


def _open(
    model: str | bytes,
    name: str,
    runtime: Runtime,
    threads: int,
    device: Device,
    precision: Precision,
) -> Network:
    network: Network = _KINDS[runtime](model, name, threads, device, precision)
    log.info("%s runs on %s", name, network.description)
    return network


@contextmanager
def naming_threads(name: str) -> Iterator[None]:
    """Give the threads that start here meanwhile a name that top -H and /proc show.

    Linux gives a new thread the name of the one that starts it, and a runtime's pool starts with its
    network: without this it bears the name of whatever thread was the first to need the network.

    Args:
        name: Linux keeps 15 bytes of it.
    """
    own = Path("/proc/thread-self/comm")
    try:
        before = own.read_bytes().strip()
        own.write_bytes(name.encode()[:15])
    except OSError:  # another system
        before = b""
    try:
        yield
    finally:
        if before:
            own.write_bytes(before)


def run_session(session: Any, outputs: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
    """Run an ONNX Runtime session; it is broken off where the work that it is for is.

    Raises:
        CancelledError: It was.
        Exception: As the runtime has them.
    """
    cancellation = CURRENT.get()
    if cancellation is None:
        return list(session.run(outputs, dict(inputs)))
    import onnxruntime as ort

    options = ort.RunOptions()

    def end() -> None:
        options.terminate = True

    try:
        with cancellation.on_cancel(end):
            return list(session.run(outputs, dict(inputs), options))
    except Exception:
        if cancellation.is_cancelled:
            raise CancelledError from None
        raise


class _OnnxNetwork:
    def __init__(
        self,
        model: str | bytes,
        name: str,
        threads: int,
        device: Device,
        precision: Precision,  # it has but one
    ) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # warnings about unused initialisers help nobody
        # Waiting threads sleep: several networks share the cores here.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = _providers(ort.get_available_providers(), device)
        try:
            self._session = ort.InferenceSession(model, options, providers=providers)
        except Exception as error:  # the runtime's own exception classes share no base
            raise ChecksumMismatch(
                f"ONNX Runtime cannot read the network {name}: {_brief(error)}"
            ) from error
        provider = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        self.description = f"ONNX Runtime {ort.__version__} ({provider}, threads={threads})"
        self.inputs = tuple(map(_onnx_spec, self._session.get_inputs()))
        self.outputs = tuple(map(_onnx_spec, self._session.get_outputs()))
        self._name = name
        self._output_names = [spec.name for spec in self.outputs]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        try:
            values = run_session(self._session, self._output_names, inputs)
        except Exception as error:
            raise StageError(f"the network {self._name} failed: {_brief(error)}") from error
        return dict(zip(self._output_names, values, strict=True))


class _OpenVinoNetwork:
    def __init__(
        self, model: str | bytes, name: str, threads: int, device: Device, precision: Precision
    ) -> None:
        import openvino as ov

        if device in ("cuda", "tensorrt"):
            raise MissingExtra(f"OpenVINO has no {device}; set VISAVIS_RUNTIME=onnxruntime")
        config: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        }
        if precision != "auto":
            config["INFERENCE_PRECISION_HINT"] = {"fp32": "f32", "bf16": "bf16"}[precision]
        try:
            core = ov.Core()
            read = core.read_model(model)
            self._model = core.compile_model(read, "CPU", config)
        except Exception as error:
            raise ChecksumMismatch(
                f"OpenVINO cannot read the network {name}: {_brief(error)}"
            ) from error
        taken = self._model.get_property("INFERENCE_PRECISION_HINT").to_string()
        version = ov.__version__.partition("-")[0]
        self.description = f"OpenVINO {version} (CPU {taken}, threads={threads})"
        self.inputs = tuple(map(_openvino_spec, self._model.inputs))
        self.outputs = tuple(map(_openvino_spec, self._model.outputs))
        self._name = name

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        for spec in self.inputs:
            given = np.shape(inputs[spec.name]) if spec.name in inputs else None
            # On one thread OpenVINO takes a wrong shape, and gives an empty answer.
            if given is not None and not _fits(spec.shape, given):
                raise StageError(
                    f"the network {self._name} failed: its input {spec.name!r} has the shape"
                    f" {_write_shape(given)}, not {_write_shape(spec.shape)}"
                )
        # One request per call keeps concurrent callers apart.
        request = self._model.create_infer_request()
        try:
            request.infer(dict(inputs))
        except Exception as error:
            raise StageError(f"the network {self._name} failed: {_brief(error)}") from error
        return {
            spec.name: np.array(request.get_output_tensor(index).data)
            for index, spec in enumerate(self.outputs)
        }


_KINDS: dict[Runtime, type[_OnnxNetwork] | type[_OpenVinoNetwork]] = {
    "onnxruntime": _OnnxNetwork,
    "openvino": _OpenVinoNetwork,
}


def _providers(available: list[str], device: Device) -> list[str]:
    cuda, tensorrt = "CUDAExecutionProvider", "TensorrtExecutionProvider"
    wanted = {
        "auto": [cuda] if cuda in available else [],
        "cpu": [],
        "cuda": [cuda],
        "tensorrt": [tensorrt, cuda],
    }[device]
    if wanted and wanted[0] not in available:
        raise MissingExtra(
            f"this ONNX Runtime has no {device}: pip install onnxruntime-gpu, or use the CPU"
        )
    return [*wanted, "CPUExecutionProvider"]


_ONNX_DTYPES = {"float": "float32", "double": "float64"}


def _onnx_spec(tensor: Any) -> TensorSpec:
    kind = tensor.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(side if isinstance(side, int) else None for side in tensor.shape or ())
    return TensorSpec(tensor.name, shape, _ONNX_DTYPES.get(kind, kind))


def _openvino_spec(port: Any) -> TensorSpec:
    shape = tuple(
        side.get_length() if side.is_static else None for side in port.get_partial_shape()
    )
    return TensorSpec(port.get_any_name(), shape, np.dtype(port.get_element_type().to_dtype()).name)


def _fits(wanted: tuple[int | None, ...], given: tuple[int, ...]) -> bool:
    return len(wanted) == len(given) and all(
        side in (None, own) for side, own in zip(wanted, given, strict=True)
    )


def _write_shape(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if side is None else str(side) for side in shape)})"


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
