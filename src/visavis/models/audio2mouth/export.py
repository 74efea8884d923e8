"""The trained mouth network as an .onnx file, checked against torch's numbers.

Needs the ``train`` extra: ``python -m visavis.models.audio2mouth.export CHECKPOINT [TARGET]``.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import warnings
from pathlib import Path

import numpy as np

_log = logging.getLogger(__name__)

_CARD = """\
name = "audio2mouth"
use = "sound of any voice to the mouth's channels"
licence = "Apache-2.0"
commercial = true
origin = "trained by this project; see the README beside"
licence_basis = "own network, trained only on speech of Kokoro-82M and hibari-tts (Apache-2.0)"

[[files]]
path = "{name}"
size = {size}
sha256 = "{sha256}"
"""

TOLERANCE = 1e-4
"""Largest difference to torch that is let through."""


def export(checkpoint: Path, target: Path) -> float:
    """Write the network of a checkpoint as ONNX with probabilities as outputs.

    Args:
        checkpoint: As the recipe saves it: ``network`` (its Config as a dict) and ``weights``.
        target: The .onnx file; written beside and renamed when it is checked.

    Returns:
        The largest difference between torch's numbers and ONNX Runtime's on random input.

    Raises:
        ValueError: The difference is more than ``TOLERANCE``.
    """
    import onnxruntime
    import torch

    from visavis.models.audio2mouth.features import BANDS, ROWS_PER_FRAME
    from visavis.models.audio2mouth.network import Config, MouthNet

    class Probabilities(torch.nn.Module):
        """Tensors in, tensors out."""

        def __init__(self, net: MouthNet) -> None:
            super().__init__()
            self.net = net

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(self.net(features))

    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    config = Config(**{**stored["network"], "dilations": tuple(stored["network"]["dilations"])})
    net = MouthNet(config)
    net.load_state_dict(stored["weights"])
    model = Probabilities(net).eval()
    torch.manual_seed(0)
    rows = ROWS_PER_FRAME * (config.left + config.right + 7)
    example = torch.randn(1, rows, BANDS)
    part = target.with_suffix(".part.onnx")
    with warnings.catch_warnings():
        # The newer exporter needs onnxscript, which this small graph has no use for.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model,
            (example,),
            str(part),
            input_names=["features"],
            output_names=["mouth"],
            dynamic_axes={"features": {1: "rows"}, "mouth": {1: "frames"}},
            opset_version=17,
            dynamo=False,
        )
    session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
    worst = 0.0
    for frames in (1, 7, 50):
        features = torch.randn(1, ROWS_PER_FRAME * (config.left + config.right + frames), BANDS)
        with torch.no_grad():
            wanted = model(features).numpy()
        (found,) = session.run(None, {"features": features.numpy()})
        worst = max(worst, float(np.abs(found - wanted).max()))
    if worst > TOLERANCE:
        part.unlink()
        raise ValueError(f"the exported network differs from torch by {worst:.2g}")
    part.replace(target)
    _log.info("%s differs from torch by at most %.2g", target.name, worst)
    return worst


def write_card(network: Path) -> None:
    """Write the catalogue's card beside the weights."""
    digest = hashlib.sha256(network.read_bytes()).hexdigest()
    card = network.with_name("asset.toml")
    card.write_text(_CARD.format(name=network.name, size=network.stat().st_size, sha256=digest))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    beside = Path(__file__).parent / "weights" / "audio2mouth.onnx"
    written = Path(sys.argv[2]) if len(sys.argv) > 2 else beside
    export(Path(sys.argv[1]), written)
    write_card(written)
