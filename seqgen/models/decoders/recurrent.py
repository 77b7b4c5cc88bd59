"""The recurrent networks, one step at a time; their equations are in seqgen.models.networks.cells.

As there, x is W x + b and u is U h, both (batch, gates * hidden). A cell may write into both, and
turns its state, (vectors, batch, hidden), into the next in place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seqgen.config import Architecture, ModelConfig
from seqgen.models import parameters
from seqgen.models.decoders.decoder import FloatArray, IntArray, Weights

__all__ = ["RecurrentDecoder"]

WINDOW = 256  # tokens of a prompt that are read at once
State = FloatArray  # of every layer: (layers, vectors, batch, hidden)


def _sigmoid(x: FloatArray) -> None:
    """In place, as (1 + tanh(x / 2)) / 2: no overflow for any x."""
    x *= np.float32(0.5)
    np.tanh(x, out=x)
    x += np.float32(1.0)
    x *= np.float32(0.5)


def _rnn(x: FloatArray, u: FloatArray, state: State) -> None:
    x += u
    np.tanh(x, out=state[0])


def _gru(x: FloatArray, u: FloatArray, state: State) -> None:
    size = state.shape[-1]
    x[:, : 2 * size] += u[:, : 2 * size]
    _sigmoid(x[:, : 2 * size])
    z, r, n = (x[:, k * size : (k + 1) * size] for k in range(3))
    r *= u[:, 2 * size :]
    n += r
    np.tanh(n, out=n)
    hidden = state[0]
    hidden -= n
    hidden *= z
    hidden += n  # z * hidden + (1 - z) * n


def _lstm(x: FloatArray, u: FloatArray, state: State) -> None:
    size = state.shape[-1]
    x += u
    _sigmoid(x[:, : 3 * size])
    i, f, o, g = (x[:, k * size : (k + 1) * size] for k in range(4))
    np.tanh(g, out=g)
    hidden, cell = state
    cell *= f
    i *= g
    cell += i
    np.tanh(cell, out=hidden)
    hidden *= o


_CELLS: dict[Architecture, Callable[[FloatArray, FloatArray, State], None]] = {
    "rnn": _rnn,
    "gru": _gru,
    "lstm": _lstm,
}


class RecurrentDecoder:
    """See Decoder."""

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        self.config = config
        self.weights = weights
        arch = config.arch
        # What the first layer adds for each token, made once: (vocabulary, gates * hidden).
        self.table = weights["embedding"] @ weights[f"{arch}.0.input_kernel"]
        self.table += weights[f"{arch}.0.bias"]
        self._sums = np.empty((2, 0, 0), self.table.dtype)

    def start(self, batch: int) -> State:
        """Zeros, (layers, vectors, batch, hidden)."""
        config = self.config
        shape = (config.layers, parameters.STATES[config.arch], batch, config.hidden)
        return np.zeros(shape, self.table.dtype)

    def step(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.step."""
        weights, arch = self.weights, self.config.arch
        forget = ids == 0  # the boundary token forgets
        if forget.any():
            state[:, :, forget] = 0.0
        if len(self._sums[0]) != len(ids):
            self._sums = np.empty((2, len(ids), self.table.shape[1]), self.table.dtype)
        x, u = self._sums  # (batch, gates * hidden) each, the same at every step
        np.take(self.table, ids, axis=0, out=x, mode="clip")  # "raise" would make a copy
        for layer in range(self.config.layers):
            cell = f"{arch}.{layer}"
            if layer > 0:
                np.matmul(state[layer - 1, 0], weights[f"{cell}.input_kernel"], out=x)
                x += weights[f"{cell}.bias"]
            np.matmul(state[layer, 0], weights[f"{cell}.recurrent_kernel"], out=u)
            if arch == "gru":
                u += weights[f"{cell}.recurrent_bias"]
            _CELLS[arch](x, u, state[layer])
        return self._logits(state[-1, 0]), state

    def keep(self, state: State, rows: IntArray) -> State:
        """See Decoder.keep."""
        return np.ascontiguousarray(state[:, :, rows])

    def put(self, state: State, row: int, primed: State) -> None:
        """See Decoder.put."""
        state[:, :, row] = primed[:, :, 0]

    def row_bytes(self) -> int:
        """See Decoder.row_bytes."""
        return int(self.start(1).nbytes)

    def reach(self) -> None:
        """See Decoder.reach."""

    def last(self, ids: IntArray) -> FloatArray:
        """See Decoder.last."""
        return self.prefill(ids, self.start(len(ids)))[0]

    def read(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.read."""
        hidden = self._read(ids, state)
        return self._logits(hidden.transpose(1, 0, 2)), state

    def prefill(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.prefill."""
        for begin in range(0, ids.shape[1], WINDOW):
            hidden = self._read(ids[:, begin : begin + WINDOW], state)
        return self._logits(hidden[-1]), state

    def _read(self, ids: IntArray, state: State) -> FloatArray:
        """The last layer after every token, (time, batch, hidden); the state is advanced in place.

        What a layer reads is known for all times before its first step, so one product takes it.
        """
        weights, config = self.weights, self.config
        batch, time = ids.shape
        forgets = [column if column.any() else None for column in (ids == 0).T]
        # (time, batch, gates * hidden); NumPy may lay it out as ids.T is, so that a reshaped view
        # would be a copy.
        x = np.ascontiguousarray(self.table[ids.T])
        u = np.empty_like(x[0])
        hidden = np.empty((time, batch, config.hidden), x.dtype)
        for layer in range(config.layers):
            cell = f"{config.arch}.{layer}"
            if layer > 0:
                np.matmul(
                    hidden.reshape(time * batch, -1),
                    weights[f"{cell}.input_kernel"],
                    out=x.reshape(time * batch, -1),
                )
                x += weights[f"{cell}.bias"]
            kernel = weights[f"{cell}.recurrent_kernel"]
            bias = weights.get(f"{cell}.recurrent_bias")
            own = state[layer]
            for step in range(time):
                if (forget := forgets[step]) is not None:
                    own[:, forget] = 0.0
                np.matmul(own[0], kernel, out=u)
                if bias is not None:
                    u += bias
                _CELLS[config.arch](x[step], u, own)
                hidden[step] = own[0]
        return hidden

    def _logits(self, hidden: FloatArray) -> FloatArray:
        """Of any number of axes, (…, hidden), to as many, (…, vocabulary)."""
        rows = hidden.reshape(-1, self.config.hidden)
        logits = rows @ self.weights["output.kernel"]
        logits += self.weights["output.bias"]
        return logits.reshape(*hidden.shape[:-1], -1)
