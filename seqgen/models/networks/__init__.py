"""The networks as Keras layers, over whole sequences at once: what training runs (TensorFlow).

All take token ids and start afresh wherever the boundary token stands, so several documents can
share a sequence. Their weights carry the names of seqgen.models.parameters.
"""

from __future__ import annotations

from seqgen.config import Architecture, ModelConfig, Precision
from seqgen.models.networks.network import Network
from seqgen.models.networks.recurrent import RecurrentNetwork
from seqgen.models.networks.transformer import TransformerNetwork

__all__ = ["Network", "build"]

_NETWORKS: dict[Architecture, type[Network]] = {
    "rnn": RecurrentNetwork,
    "gru": RecurrentNetwork,
    "lstm": RecurrentNetwork,
    "transformer": TransformerNetwork,
}


def build(
    config: ModelConfig,
    *,
    dropout: float = 0.0,
    precision: Precision = "float32",
    native: bool = False,
) -> Network:
    """A network with its variables made and zero; seqgen.models.parameters has initial weights."""
    return _NETWORKS[config.arch](config, dropout=dropout, precision=precision, native=native)
