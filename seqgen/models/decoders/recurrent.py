"""The recurrent networks, one step at a time; their equations are in seqgen.models.networks.cells.

As there, x is W x + b and u is U h, both (batch, gates * hidden). A cell may write into both, and
turns its state, (vectors, batch, hidden), into the next in place.

What a layer shows is read by itself at the next token, and at this one by the layer above it or by
the output. Both read it in one product, with the two kernels side by side; the part that is for the
next token is kept until then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seqgen.config import Architecture, ModelConfig
from seqgen.models import parameters
from seqgen.models.decoders.decoder import FloatArray, IntArray, Weights

__all__ = ["RecurrentDecoder"]

WINDOW = 256  # tokens of a prompt that are read at once


@dataclass(slots=True)
class State:
    """What every layer remembers.

    Attributes:
        vectors: (layers, vectors, batch, hidden).
        products: of each layer's hidden vectors with its kernels, (batch, its own gates * hidden,
            then what it gives to the layer above it or to the output); None until a step needs
            them.
    """

    vectors: FloatArray
    products: list[FloatArray] | None = None


def _sigmoid(x: FloatArray) -> None:
    """In place, as (1 + tanh(x / 2)) / 2: no overflow for any x."""
    x *= np.float32(0.5)
    np.tanh(x, out=x)
    x += np.float32(1.0)
    x *= np.float32(0.5)


def _rnn(x: FloatArray, u: FloatArray, state: FloatArray) -> None:
    x += u
    np.tanh(x, out=state[0])


def _gru(x: FloatArray, u: FloatArray, state: FloatArray) -> None:
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


def _lstm(x: FloatArray, u: FloatArray, state: FloatArray) -> None:
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


_CELLS: dict[Architecture, Callable[[FloatArray, FloatArray, FloatArray], None]] = {
    "rnn": _rnn,
    "gru": _gru,
    "lstm": _lstm,
}


class RecurrentDecoder:
    """See Decoder."""

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        self.config = config
        arch, layers = config.arch, range(config.layers)
        # What the first layer adds for each token, made once: (vocabulary, gates * hidden).
        self.table = weights["embedding"] @ weights[f"{arch}.0.input_kernel"]
        self.table += weights[f"{arch}.0.bias"]
        self._gates = self.table.shape[1]
        # What stands above each layer, and for each its own kernel beside that one's.
        above = [f"{arch}.{layer}.input_" for layer in layers[1:]] + ["output."]
        self._kernels = [
            np.concatenate(
                [weights[f"{arch}.{layer}.recurrent_kernel"], weights[f"{name}kernel"]], 1
            )
            for layer, name in zip(layers, above, strict=True)
        ]
        self._biases = [weights[f"{arch}.{layer}.bias"] for layer in layers[1:]]
        self._biases.append(weights["output.bias"])
        self._recurrent_biases = [weights.get(f"{arch}.{layer}.recurrent_bias") for layer in layers]
        self._x = np.empty((0, 0), self.table.dtype)

    def start(self, batch: int) -> State:
        """Zeros."""
        config = self.config
        shape = (config.layers, parameters.STATES[config.arch], batch, config.hidden)
        return State(np.zeros(shape, self.table.dtype))

    def step(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.step."""
        products, gates, cell = self._products(state), self._gates, _CELLS[self.config.arch]
        if 0 in ids.tolist():  # the boundary token forgets
            forget = ids == 0
            state.vectors[:, :, forget] = 0.0
            for product in products:
                product[forget] = 0.0
        if len(self._x) != len(ids):
            self._x = np.empty((len(ids), gates), self.table.dtype)
        x = self._x  # (batch, gates * hidden), the same at every step
        self.table.take(ids, 0, x, "clip")  # "raise" would make a copy
        for layer, (product, kernel) in enumerate(zip(products, self._kernels, strict=True)):
            u, vectors = product[:, :gates], state.vectors[layer]
            if (bias := self._recurrent_biases[layer]) is not None:
                u += bias
            cell(x, u, vectors)
            np.matmul(vectors[0], kernel, out=product)
            if layer < len(products) - 1:
                np.add(product[:, gates:], self._biases[layer], out=x)
        return product[:, gates:] + self._biases[-1], state

    def keep(self, state: State, rows: IntArray) -> State:
        """See Decoder.keep; products are made anew, since a copy may never be gone on from."""
        return State(np.ascontiguousarray(state.vectors[:, :, rows]))

    def put(self, state: State, row: int, primed: State) -> None:
        """See Decoder.put."""
        state.vectors[:, :, row] = primed.vectors[:, :, 0]
        if state.products is not None:
            for product, begun in zip(state.products, self._products(primed), strict=True):
                product[row] = begun[0]

    def row_bytes(self) -> int:
        """See Decoder.row_bytes."""
        config = self.config
        numbers = config.layers * parameters.STATES[config.arch] * config.hidden
        numbers += sum(kernel.shape[1] for kernel in self._kernels)
        return numbers * self.table.itemsize

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

    def _products(self, state: State) -> list[FloatArray]:
        """Those of a state, of which a step needs the part that is for the next token."""
        if state.products is None:
            batch, dtype = state.vectors.shape[2], self.table.dtype
            state.products = [np.empty((batch, kernel.shape[1]), dtype) for kernel in self._kernels]
            for product, kernel, (hidden, *_) in zip(
                state.products, self._kernels, state.vectors, strict=True
            ):
                np.matmul(hidden, kernel, out=product)
        return state.products

    def _read(self, ids: IntArray, state: State) -> FloatArray:
        """The last layer after every token, (time, batch, hidden); the state is advanced in place.

        What a layer reads is known for all times before its first step, so one product takes it.
        """
        config, gates, cell = self.config, self._gates, _CELLS[self.config.arch]
        batch, time = ids.shape
        forgets = [column if column.any() else None for column in (ids == 0).T]
        state.products = None
        # (time, batch, gates * hidden); NumPy may lay it out as ids.T is, so that a reshaped view
        # would be a copy.
        x = np.ascontiguousarray(self.table[ids.T])
        u = np.empty_like(x[0])
        hidden = np.empty((time, batch, config.hidden), x.dtype)
        for layer, kernel in enumerate(self._kernels):
            own, bias = state.vectors[layer], self._recurrent_biases[layer]
            for step in range(time):
                if (forget := forgets[step]) is not None:
                    own[:, forget] = 0.0
                np.matmul(own[0], kernel[:, :gates], out=u)
                if bias is not None:
                    u += bias
                cell(x[step], u, own)
                hidden[step] = own[0]
            if layer < config.layers - 1:
                flat = x.reshape(time * batch, -1)
                np.matmul(hidden.reshape(time * batch, -1), kernel[:, gates:], out=flat)
                flat += self._biases[layer]
        return hidden

    def _logits(self, hidden: FloatArray) -> FloatArray:
        """Of any number of axes, (…, hidden), to as many, (…, vocabulary)."""
        rows = hidden.reshape(-1, self.config.hidden)
        logits = rows @ self._kernels[-1][:, self._gates :]
        logits += self._biases[-1]
        return logits.reshape(*hidden.shape[:-1], -1)
