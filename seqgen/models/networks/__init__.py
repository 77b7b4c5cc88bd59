"""The networks as Keras layers, over whole sequences at once: what training runs (TensorFlow).

All take token ids and start afresh wherever the boundary token stands, so several documents can
share a sequence. Their weights carry the names of seqgen.models.parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.config import ModelConfig, Precision

if TYPE_CHECKING:
    from seqgen.models.networks.network import Network

__all__ = ["build"]


def build(
    config: ModelConfig,
    *,
    dropout: float = 0.0,
    precision: Precision = "float32",
    native: bool = False,
) -> Network:
    """A network with its variables made and zero; seqgen.models.parameters has initial weights."""
    # Whoever wants another part of this package does without TensorFlow.
    from seqgen.models.networks.recurrent import RecurrentNetwork
    from seqgen.models.networks.transformer import TransformerNetwork

    network = RecurrentNetwork if config.recurrent else TransformerNetwork
    return network(config, dropout=dropout, precision=precision, native=native)
