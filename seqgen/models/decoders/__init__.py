"""The networks one token at a time, in NumPy: what sampling runs. No TensorFlow.

Steps of several sequences go over to compiled code where much is drawn (compiled.py).
"""

from __future__ import annotations

import numpy as np

from seqgen.config import ModelConfig
from seqgen.models.decoders.decoder import Decoder
from seqgen.models.parameters import Weights

__all__ = ["Decoder", "build", "build_exact"]


def build(config: ModelConfig, weights: Weights) -> Decoder:
    """A decoder over weights that were checked against the contract."""
    if config.recurrent:
        from seqgen.models.decoders.recurrent import RecurrentDecoder

        return RecurrentDecoder(config, weights)
    from seqgen.models.decoders.transformer import TransformerDecoder

    return TransformerDecoder(config, weights)


def build_exact(config: ModelConfig, weights: Weights) -> Decoder:
    """A decoder that computes in float64."""
    if config.recurrent:
        from seqgen.models.decoders.recurrent import RecurrentDecoder

        return RecurrentDecoder(config, weights, np.float64)
    wide = {name: weight.astype(np.float64) for name, weight in weights.items()}
    return build(config, wide)  # type: ignore[arg-type]  # of another width
