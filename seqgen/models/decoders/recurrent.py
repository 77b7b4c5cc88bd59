"""The recurrent networks, one step at a time; their equations are in seqgen.models.networks.cells.

What a layer shows is read by itself at the next token, and at this one by the layer above it or by
the output. Both read it in one product, with the two kernels side by side; the part that is for the
next token is kept until then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from seqgen.config import ModelConfig
from seqgen.models import parameters
from seqgen.models.decoders import compiled
from seqgen.models.decoders.cells import CELLS, Cell, Vectors
from seqgen.models.decoders.decoder import FloatArray, IntArray, Weights
from seqgen.models.decoders.kernels import Kernels

__all__ = ["RecurrentDecoder"]

WINDOW = 256  # tokens of a prompt that are read at once


@dataclass(frozen=True, slots=True)
class _Layer:
    """What a step reads and writes of one layer, at hand as views.

    Attributes:
        vectors: of the state.
        product: of the hidden one with the layer's kernels, (batch, own + above).
        own: of the product, what is for the layer's next step, (batch, gates * hidden).
        above: what it gives to the layer above it or to the output.
    """

    vectors: Vectors
    product: FloatArray
    own: FloatArray
    above: FloatArray


@dataclass(slots=True)
class State:
    """What every layer remembers.

    Attributes:
        vectors: (layers, vectors, batch, hidden).
        layers: with the products, each with its part of the vectors; None until a step needs them.
    """

    vectors: FloatArray
    layers: list[_Layer] | None = None


class RecurrentDecoder:
    """See Decoder.

    Args:
        weights: float32, which are left as they are.
        dtype: to compute in.
    """

    def __init__(
        self, config: ModelConfig, weights: Weights, dtype: DTypeLike = np.float32
    ) -> None:
        self.config = config
        arch, factors = config.arch, CELLS[config.arch].factors
        of_x, of_u = (
            np.repeat(np.array(each, dtype), config.hidden) for each in (factors.x, factors.u)
        )
        self._gates = len(of_x)  # times hidden
        # What the first layer adds for each token, made once: (vocabulary, gates * hidden).
        embedding, kernel = (
            weights[name].astype(dtype, copy=False)
            for name in ("embedding", f"{arch}.0.input_kernel")
        )
        self.table: FloatArray = embedding @ kernel
        self.table += weights[f"{arch}.0.bias"]
        self.table *= of_x
        # Each layer's own kernel, and beside it that of what stands above, whose bias it has too.
        self._kernels: list[Kernels] = []
        self._biases: list[FloatArray] = []
        self._recurrent_biases: list[FloatArray | None] = []
        for layer in range(config.layers):
            above, of_above = f"{arch}.{layer + 1}.input_kernel", of_x
            bias = f"{arch}.{layer + 1}.bias"
            if layer == config.layers - 1:
                above, bias, of_above = "output.kernel", "output.bias", np.ones(1, dtype)
            own, upper = weights[f"{arch}.{layer}.recurrent_kernel"], weights[above]
            parts = (own, factors.hidden * of_u), (upper, factors.hidden * of_above)
            self._kernels.append(Kernels(parts, dtype))
            self._biases.append(weights[bias] * of_above)
            within = weights.get(f"{arch}.{layer}.recurrent_bias")
            self._recurrent_biases.append(None if within is None else within * of_u)
        # The products of several sequences, where they are compiled.
        self._compiled: list[compiled.Product] | None = None
        self._cell = CELLS[arch](np.empty((0, self._gates), dtype))

    def start(self, batch: int) -> State:
        """Zeros."""
        config = self.config
        shape = (config.layers, parameters.STATES[config.arch], batch, config.hidden)
        return State(np.zeros(shape, self.table.dtype))

    def step(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.step."""
        layers, cell = self._layers(state), self._cell_of(len(ids))
        if 0 in ids.tolist():  # the boundary token forgets
            forget = ids == 0
            state.vectors[:, :, forget] = 0.0
            for layer in layers:
                layer.product[forget] = 0.0
        self.table.take(ids, 0, cell.x, "clip")  # "raise" would make a copy
        for at, layer in enumerate(layers):
            if at > 0:
                np.add(layers[at - 1].above, self._biases[at - 1], out=cell.x)
            own = layer.own
            if (bias := self._recurrent_biases[at]) is not None:
                own += bias
            cell(own, layer.vectors)
            if self._compiled is None or len(ids) == 1:
                np.matmul(layer.vectors[0], self._kernels[at].over(len(ids)), out=layer.product)
            else:
                self._compiled[at](layer.vectors[0], layer.product)
        return layers[-1].above + self._biases[-1], state

    def keep(self, state: State, rows: IntArray) -> State:
        """See Decoder.keep; products are made anew, since a copy may never be gone on from."""
        return State(state.vectors.take(rows, axis=2))

    def put(self, state: State, row: int, primed: State) -> None:
        """See Decoder.put."""
        state.vectors[:, :, row] = primed.vectors[:, :, 0]
        if state.layers is not None:
            for layer, begun in zip(state.layers, self._layers(primed), strict=True):
                layer.product[row] = begun.product[0]

    def note(self, state: State, row: int) -> State:
        """See Decoder.note."""
        return self.keep(state, np.array([row], np.int32))

    def back(self, state: State, row: int, noted: State) -> bool:
        """See Decoder.back."""
        self.put(state, row, noted)
        return True

    def hasten(self, drawn: int, ahead: int) -> None:
        """See Decoder.hasten."""
        if self._compiled is None and compiled.is_worth(
            self.config, self.table.dtype, drawn, ahead
        ):
            several = [kernels.over(2) for kernels in self._kernels]
            self._compiled = compiled.products(several)

    def rows(self, most: int) -> int:
        """See Decoder.rows."""
        return most

    def row_bytes(self) -> int:
        """See Decoder.row_bytes."""
        config = self.config
        numbers = config.layers * parameters.STATES[config.arch] * config.hidden
        numbers += sum(kernels.width for kernels in self._kernels)
        return int(numbers * self.table.itemsize)

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

    def _cell_of(self, batch: int) -> Cell:
        """The cell over so many sequences; of the last one, the same again."""
        if len(self._cell.x) != batch:
            self._cell = type(self._cell)(np.empty((batch, self._gates), self.table.dtype))
        return self._cell

    def _layers(self, state: State) -> list[_Layer]:
        """Those of a state; a step needs their products."""
        if state.layers is None:
            state.layers, gates = [], self._gates
            for kernels, bias, vectors in zip(
                self._kernels, self._biases, state.vectors, strict=True
            ):
                product = np.matmul(vectors[0], kernels.over(len(vectors[0])))
                parts = product[:, :gates], product[:, gates : gates + len(bias)]
                state.layers.append(_Layer(tuple(vectors), product, *parts))
        return state.layers

    def _read(self, ids: IntArray, state: State) -> FloatArray:
        """The last layer after every token, (time, batch, hidden); the state is advanced in place.

        What a layer reads is known for all times before its first step, so one product takes it.
        """
        config, gates, (batch, time) = self.config, self._gates, ids.shape
        cell = self._cell_of(batch)
        forgets = [column if column.any() else None for column in (ids == 0).T]
        state.layers = None
        # (time, batch, gates * hidden); NumPy may lay it out as ids.T is, so that a reshaped view
        # would be a copy.
        x = np.ascontiguousarray(self.table[ids.T])
        u = np.empty_like(x[0])
        hidden = np.empty((time, batch, config.hidden), x.dtype)
        for layer, kernels in enumerate(self._kernels):
            kernel = kernels.over(batch)
            vectors, bias = tuple(state.vectors[layer]), self._recurrent_biases[layer]
            for step in range(time):
                if (forget := forgets[step]) is not None:
                    state.vectors[layer][:, forget] = 0.0
                np.matmul(vectors[0], kernel[:, :gates], out=u)
                if bias is not None:
                    u += bias
                cell.x[:] = x[step]
                cell(u, vectors)
                hidden[step] = vectors[0]
            if layer < config.layers - 1:
                flat = x.reshape(time * batch, -1)
                above = kernel[:, gates : 2 * gates]
                np.matmul(hidden.reshape(time * batch, -1), above, out=flat)
                flat += self._biases[layer]
        return hidden

    def _logits(self, hidden: FloatArray) -> FloatArray:
        """Of any number of axes, (…, hidden), to as many, (…, vocabulary)."""
        rows, bias = hidden.reshape(-1, self.config.hidden), self._biases[-1]
        kernel = self._kernels[-1].over(len(rows))
        logits = rows @ kernel[:, self._gates : self._gates + len(bias)]
        logits += bias
        return np.asarray(logits.reshape(*hidden.shape[:-1], -1))
