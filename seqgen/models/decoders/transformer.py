"""The Transformer with a cache of keys and values; its equations are in
seqgen.models.networks.transformer.

The cache is a window of the last ``context`` positions: past the length it was trained on, the
oldest key and value make room for the newest. Rotary attention depends on distances alone, and keys
are stored already turned by their true position, so nothing in the window needs to be touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqgen.config import ModelConfig
from seqgen.models.decoders.decoder import FloatArray, IntArray
from seqgen.models.parameters import Weights
from seqgen.models.rotary import rotary_angles

__all__ = ["TransformerDecoder"]

NORM_EPSILON = np.float32(1e-6)


@dataclass(slots=True)
class State:
    """Keys and values of the window.

    Attributes:
        keys, values: (layers, batch, heads, context, head width) float32, a ring over time.
        position: tokens seen so far.
        recent: what the convolutions of the next positions need of the last, the latest first,
            (layers, taps - 1, batch, hidden) float32.
        first: position of each sequence's last boundary token, (batch,); attention starts there.
    """

    keys: FloatArray
    values: FloatArray
    recent: FloatArray
    position: int
    first: IntArray


def _rms_norm(x: FloatArray) -> FloatArray:
    mean_square = np.einsum("...i,...i->...", x, x)[..., None] / np.float32(x.shape[-1])
    return np.asarray(x / np.sqrt(mean_square + NORM_EPSILON), np.float32)


def _convolve(x: FloatArray, kernel: FloatArray, recent: FloatArray) -> FloatArray:
    """The newest position of the convolution, (batch, hidden); x becomes the latest of recent."""
    y: FloatArray = x * kernel[0]
    for tap, earlier in zip(kernel[1:], recent, strict=True):
        y += earlier * tap
    recent[1:] = recent[:-1]
    recent[0] = x
    return y


class TransformerDecoder:
    """See Decoder."""

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        self.config = config
        self.weights = weights
        self.width = config.hidden // config.heads
        self.embedding = _rms_norm(weights["embedding"])
        tied = config.tie_embeddings
        self.output = weights["embedding"].T if tied else weights["output.kernel"]
        self.angles = rotary_angles(self.width)

    def start(self, batch: int) -> State:
        """An empty window."""
        config = self.config
        shape = (config.layers, batch, config.heads, config.context, self.width)
        recent = (config.layers, max(0, config.convolution - 1), batch, config.hidden)
        keys, values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        first = np.zeros(batch, np.int32)
        return State(keys, values, np.zeros(recent, np.float32), position=0, first=first)

    def step(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.step."""
        config, weights, width = self.config, self.weights, self.width
        batch, time, context = len(ids), state.position, config.context
        slot = time % context
        used = min(time + 1, context)
        state.first[ids == 0] = time
        state.recent[:, :, ids == 0] = 0.0
        # The slots whose position lies before the sequence's document are out of sight.
        positions = time - (time - np.arange(used)) % context  # position held by each slot
        hidden_slots = positions[None, :] < state.first[:, None]  # (batch, used)
        anything_hidden = bool(hidden_slots.any())

        angle = np.float32(time) * self.angles
        cos, sin = np.cos(angle), np.sin(angle)
        half = width // 2
        x = self.embedding[ids]  # (batch, hidden)
        for layer in range(config.layers):
            block = f"block.{layer}"
            y = _rms_norm(x)
            if config.convolution:
                y = _convolve(y, weights[f"{block}.attention.convolution"], state.recent[layer])
            qkv = y @ weights[f"{block}.attention.query_key_value"]
            qkv = qkv.reshape(batch, 3, config.heads, width)
            turned = _rms_norm(qkv[:, :2])  # queries and keys, (batch, 2, heads, width)
            a, b = turned[..., :half], turned[..., half:]
            turned = np.concatenate([a * cos - b * sin, a * sin + b * cos], -1)
            keys, values = state.keys[layer], state.values[layer]
            keys[:, :, slot] = turned[:, 1]
            values[:, :, slot] = qkv[:, 2]
            query = turned[:, 0, :, :, None] * np.float32(width**-0.5)
            scores = np.matmul(keys[:, :, :used], query)[..., 0]  # (batch, heads, used)
            if anything_hidden:
                scores = np.where(hidden_slots[:, None], np.float32(-1e9), scores)
            scores -= scores.max(-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(-1, keepdims=True)
            mixed = np.matmul(scores[:, :, None], values[:, :, :used])
            x = x + mixed.reshape(batch, -1) @ weights[f"{block}.attention.output"]
            inner = np.maximum(_rms_norm(x) @ weights[f"{block}.mlp.up"], np.float32(0.0))
            x = x + (inner * inner) @ weights[f"{block}.mlp.down"]
        state.position += 1
        logits = _rms_norm(x) @ self.output
        if config.logit_softcap is not None:
            cap = np.float32(config.logit_softcap)
            logits = cap * np.tanh(logits / cap)
        return logits, state

    def prefill(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.prefill."""
        logits = np.zeros((ids.shape[0], self.config.vocabulary), np.float32)
        for column in ids.T:
            logits, state = self.step(column, state)
        return logits, state
