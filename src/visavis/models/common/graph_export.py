"""Torch modules as .onnx files: folded, any number of items at once, numbers checked.

Needs the ``train`` extra.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from visavis.models.common.convolutions import ConvNorm, DeconvNorm

_log = logging.getLogger(__name__)

OPSET = 17
TOLERANCE = 1e-4
"""Largest difference to torch that is let through, as a share of the largest value (at least 1)."""


def export_graph(
    module: nn.Module,
    examples: Callable[[int], Mapping[str, Tensor]],
    outputs: Sequence[str],
    target: Path,
    tolerance: float = TOLERANCE,
    residuals: int | None = None,
) -> float:
    """Write a module as ONNX in single precision.

    Args:
        module: Takes the examples in their order and gives as many tensors as there are outputs.
        examples: Makes the named inputs for a number of items; all have the batch first.
        outputs: Names.
        target: The .onnx file; written beside and renamed when it is checked.
        tolerance: Largest difference that is let through.
        residuals: As `fold` takes it.

    Returns:
        The largest difference between torch's numbers and ONNX Runtime's, for one item and three,
        as a share of the largest value (at least 1).

    Raises:
        ValueError: It is more than the tolerance.
    """
    import onnxruntime

    module = fold(module, residuals)
    part = target.with_suffix(".part.onnx")
    # Whoever exports in the middle of a training goes on with the numbers it would have had.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(0)
        example, *tried = (examples(count) for count in (2, 1, 3))
        # The newer exporter needs onnxscript, which these graphs have no use for.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module,
            tuple(example.values()),
            str(part),
            input_names=list(example),
            output_names=list(outputs),
            dynamic_axes={name: {0: "items"} for name in (*example, *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
    session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
    worst = 0.0
    for inputs in tried:
        with torch.no_grad():
            wanted = module(*inputs.values())
        found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        pairs = zip([wanted] if isinstance(wanted, Tensor) else wanted, found, strict=True)
        worst = max(worst, *(_difference(w.numpy(), f) for w, f in pairs))
    if not worst <= tolerance:
        part.unlink()
        raise ValueError(f"the exported network {target.name} differs from torch by {worst:.2g}")
    part.replace(target)
    _log.info("%s differs from torch by at most %.2g", target.name, worst)
    return worst


def fold(module: nn.Module, residuals: int | None = None) -> nn.Module:
    """Copy a module for inference: what is linear behind a convolution becomes part of it.

    Args:
        module: May hold layers of `visavis.models.common.convolutions`.
        residuals: In layers of fewer channels, by default in all, what is added to the outcome
            becomes a 1 in the middle of the kernel. That saves a pass over the memory. In 8 bits
            the 1 leaves less of the scale for the other weights.
    """
    module = copy.deepcopy(module).eval()
    for part in module.modules():
        if not isinstance(part, ConvNorm | DeconvNorm):
            continue
        conv, norm = part.conv_block
        fused: Any = fuse_conv_bn_eval(conv, norm, transpose=isinstance(part, DeconvNorm))
        part.conv_block = nn.Sequential(fused)
        few = residuals is None or fused.out_channels < residuals
        if few and isinstance(part, ConvNorm) and part.is_residual:
            channels = torch.arange(fused.out_channels)
            middle = fused.kernel_size[0] // 2
            with torch.no_grad():
                fused.weight[channels, channels, middle, middle] += 1
            part.is_residual = False
    return module


def _difference(wanted: np.ndarray, found: np.ndarray) -> float:
    difference = np.abs(found.astype(np.float64) - wanted).max()
    return float(difference / max(1.0, np.abs(wanted).max()))
