"""The LSTM, one step at a time; its equations are in seqgen.models.networks.recurrent."""

from __future__ import annotations

import numpy as np

from seqgen.config import ModelConfig
from seqgen.models.decoders.decoder import FloatArray, IntArray
from seqgen.models.parameters import Weights

__all__ = ["RecurrentDecoder"]

State = FloatArray  # hidden and cell of every layer: (layers, 2, batch, hidden)


def _sigmoid(x: FloatArray) -> None:
    """In place, as (1 + tanh(x / 2)) / 2: no overflow for any x."""
    x *= np.float32(0.5)
    np.tanh(x, out=x)
    x += np.float32(1.0)
    x *= np.float32(0.5)


class RecurrentDecoder:
    """See Decoder."""

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        self.config = config
        self.weights = weights
        # What the first layer adds for each token, made once: (vocabulary, 4 * hidden).
        self.table = weights["embedding"] @ weights["lstm.0.input_kernel"] + weights["lstm.0.bias"]

    def start(self, batch: int) -> State:
        """Zeros, (layers, 2, batch, hidden) float32."""
        return np.zeros((self.config.layers, 2, batch, self.config.hidden), np.float32)

    def step(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.step."""
        weights, size = self.weights, self.config.hidden
        state = state * (ids != 0)[:, None].astype(np.float32)  # the boundary token forgets
        gates = self.table[ids]  # (batch, 4 * hidden)
        for layer in range(self.config.layers):
            hidden, cell = state[layer]
            if layer > 0:
                gates = state[layer - 1, 0] @ weights[f"lstm.{layer}.input_kernel"]
                gates += weights[f"lstm.{layer}.bias"]
            gates += hidden @ weights[f"lstm.{layer}.recurrent_kernel"]
            _sigmoid(gates[:, : 3 * size])
            np.tanh(gates[:, 3 * size :], out=gates[:, 3 * size :])
            i, f, o, g = (gates[:, k * size : (k + 1) * size] for k in range(4))
            cell *= f
            cell += i * g
            np.tanh(cell, out=hidden)
            hidden *= o
        logits = state[-1, 0] @ weights["output.kernel"]
        logits += weights["output.bias"]
        return logits, state

    def prefill(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.prefill."""
        logits = np.zeros((ids.shape[0], self.config.vocabulary), np.float32)
        for column in ids.T:
            logits, state = self.step(column, state)
        return logits, state
