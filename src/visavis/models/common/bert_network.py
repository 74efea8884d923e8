"""A network of the BERT family, loaded with its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass

from visavis.core.errors import ChecksumMismatch
from visavis.models import runtime
from visavis.models.common.bert_folder import Folder, Task, explain_unreadable
from visavis.models.common.bert_inputs import Inputs
from visavis.models.common.bert_tokens import Tokens


@dataclass(frozen=True, slots=True, eq=False)
class BertNetwork:
    """What turns texts into a network's outputs.

    Attributes:
        network: On ONNX Runtime in 32 bits.
        tokens: Of its tokenizer, no more of them than the network takes.
        inputs: Built of their numbers.
    """

    network: runtime.Network
    tokens: Tokens
    inputs: Inputs


def load_bert(
    folder: Folder, task: Task, tokens: Tokens, threads: int | None, device: runtime.Device
) -> BertNetwork:
    """Load the network of a folder.

    Args:
        folder: As `open_folder` found it.
        task: What the network is for, for messages.
        tokens: Of the folder's tokenizer; fewer of them are read where the network takes fewer.
        threads: Of one inference; None leaves it to the runtime.
        device: As for `runtime.load`.

    Raises:
        ChecksumMismatch: A file is broken.
        ConfigError: The network's inputs are not those of its family.
    """
    path = folder.network
    try:
        network = runtime.load(
            path, runtime="onnxruntime", threads=threads, device=device, precision="fp32"
        )
    except ChecksumMismatch as error:
        raise ChecksumMismatch(f"{error} ({path}); {explain_unreadable(path, task)}") from error
    inputs = Inputs(network, tokens.padding, task)
    if inputs.tokens is not None and inputs.tokens < tokens.limit:
        tokens = Tokens(folder, inputs.tokens)
    return BertNetwork(network, tokens, inputs)
