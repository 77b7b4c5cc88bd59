"""The networks one token at a time, in NumPy: what sampling runs. No TensorFlow."""

from __future__ import annotations

from seqgen.config import Architecture, ModelConfig
from seqgen.models.decoders.decoder import Decoder
from seqgen.models.decoders.recurrent import RecurrentDecoder
from seqgen.models.decoders.transformer import TransformerDecoder
from seqgen.models.parameters import Weights

__all__ = ["Decoder", "build"]

_DECODERS: dict[Architecture, type[RecurrentDecoder] | type[TransformerDecoder]] = {
    "rnn": RecurrentDecoder,
    "gru": RecurrentDecoder,
    "lstm": RecurrentDecoder,
    "transformer": TransformerDecoder,
}


def build(config: ModelConfig, weights: Weights) -> Decoder:
    """A decoder over weights that were checked against the contract."""
    return _DECODERS[config.arch](config, weights)
