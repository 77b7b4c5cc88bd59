"""The networks one token at a time, in NumPy: what sampling runs. No TensorFlow."""

from __future__ import annotations

import numpy as np

from seqgen.config import Architecture, ModelConfig
from seqgen.models.decoders.decoder import Decoder
from seqgen.models.decoders.recurrent import RecurrentDecoder
from seqgen.models.decoders.transformer import TransformerDecoder
from seqgen.models.parameters import Weights

__all__ = ["Decoder", "build", "build_exact"]

_DECODERS: dict[Architecture, type[RecurrentDecoder] | type[TransformerDecoder]] = {
    "rnn": RecurrentDecoder,
    "gru": RecurrentDecoder,
    "lstm": RecurrentDecoder,
    "transformer": TransformerDecoder,
}


def build(config: ModelConfig, weights: Weights) -> Decoder:
    """A decoder over weights that were checked against the contract."""
    return _DECODERS[config.arch](config, weights)


def build_exact(config: ModelConfig, weights: Weights) -> Decoder:
    """A decoder that computes in float64."""
    wide = {name: weight.astype(np.float64) for name, weight in weights.items()}
    return _DECODERS[config.arch](config, wide)
