"""The Transformer with a cache of keys and values; its equations are in
seqgen.models.networks.transformer.

The cache is a window of the last ``context`` positions: past the length it was trained on, the
oldest key and value make room for the newest. Rotary attention depends on distances alone, and keys
are stored already turned by their true position, so nothing in the window needs to be touched.

The sequences of a batch share one clock, by which their windows turn. One that takes another's
place in the batch is born later, and counts its positions from then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqgen.config import ModelConfig
from seqgen.models.decoders.decoder import FloatArray, IntArray, Weights
from seqgen.models.decoders.operations import attention, convolve, rms_norm
from seqgen.models.rotary import rotary_angles

__all__ = ["TransformerDecoder"]

WINDOW = 256  # tokens of a prompt that are read at once

Attend = Callable[[int, FloatArray, FloatArray, FloatArray], FloatArray | None]


@dataclass(slots=True)
class State:
    """Keys and values of the window.

    Attributes:
        keys, values: (layers, batch, heads, context, head width), a ring over time.
        recent: what the convolutions of the next positions need of the last, the latest last,
            (layers, batch, taps - 1, hidden).
        clock: tokens seen so far.
        born: when the clock was at each sequence's position 0, (batch,).
        first: when it was at each one's last boundary token, (batch,); attention starts there.
    """

    keys: FloatArray
    values: FloatArray
    recent: FloatArray
    clock: int
    born: IntArray
    first: IntArray


@dataclass(frozen=True, slots=True)
class _Block:
    """One layer's weights; the convolution's are None where there is none."""

    convolution: FloatArray | None
    query_key_value: FloatArray
    output: FloatArray
    up: FloatArray
    down: FloatArray


class TransformerDecoder:
    """See Decoder."""

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        self.config = config
        self.weights = weights
        self.width = config.hidden // config.heads
        self.embedding = rms_norm(weights["embedding"])
        tied = config.tie_embeddings
        self.output = weights["embedding"].T if tied else weights["output.kernel"]
        self.blocks = [
            _Block(
                weights.get(f"block.{layer}.attention.convolution"),
                weights[f"block.{layer}.attention.query_key_value"],
                weights[f"block.{layer}.attention.output"],
                weights[f"block.{layer}.mlp.up"],
                weights[f"block.{layer}.mlp.down"],
            )
            for layer in range(config.layers)
        ]
        self.angles = rotary_angles(self.width).astype(np.float64)

    def start(self, batch: int) -> State:
        """An empty window."""
        config, dtype = self.config, self.embedding.dtype
        shape = (config.layers, batch, config.heads, config.context, self.width)
        recent = (config.layers, batch, max(0, config.convolution - 1), config.hidden)
        born, first = np.zeros((2, batch), np.int32)
        return State(
            np.zeros(shape, dtype), np.zeros(shape, dtype), np.zeros(recent, dtype), 0, born, first
        )

    def step(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.step."""
        now, context = state.clock, self.config.context
        slot = now % context
        used = min(now + 1, context)
        state.first[ids == 0] = now
        hidden = None
        if state.first.max() > now - used + 1:
            # The slots that were filled before the sequence's document began are out of sight.
            filled = now - (now - np.arange(used)) % context  # when each slot was
            hidden = (filled < state.first[:, None])[:, None, None]  # (batch, 1, 1, used)

        def attend(layer: int, query: FloatArray, key: FloatArray, value: FloatArray) -> FloatArray:
            keys, values = state.keys[layer], state.values[layer]
            keys[:, :, slot], values[:, :, slot] = key[:, :, 0], value[:, :, 0]
            return attention(query, keys[:, :, :used], values[:, :, :used], hidden)

        x = self._blocks(ids[:, None], state, (now - state.first)[:, None], attend)
        state.clock += 1
        return self._logits(x), state

    def keep(self, state: State, rows: IntArray) -> State:
        """See Decoder.keep."""
        return State(
            state.keys[:, rows], state.values[:, rows], state.recent[:, rows],
            state.clock, state.born[rows], state.first[rows],
        )  # fmt: skip

    def put(self, state: State, row: int, primed: State) -> None:
        """See Decoder.put."""
        later, context = state.clock - primed.clock, self.config.context
        if later < 0:
            # As if it had begun some whole turns of the ring ago: every slot stays where it is.
            turns = -(later // context) * context
            state.clock += turns
            state.born += turns
            state.first += turns
            later += turns
        old = np.arange(max(0, primed.clock - context), primed.clock)
        for ring, other in ((state.keys, primed.keys), (state.values, primed.values)):
            ring[:, row, :, (old + later) % context] = other[:, 0, :, old % context]
        state.recent[:, row] = primed.recent[:, 0]
        state.born[row] = primed.born[0] + later
        state.first[row] = primed.first[0] + later

    def row_bytes(self) -> int:
        """See Decoder.row_bytes."""
        config = self.config
        return 2 * config.layers * config.context * config.hidden * self.embedding.itemsize

    def reach(self) -> int:
        """See Decoder.reach."""
        return 1 + self.config.layers * self.sight

    @property
    def sight(self) -> int:
        """Positions before its own that a layer sees: a window, and the taps of its first."""
        return self.config.context - 1 + max(0, self.config.convolution - 1)

    def last(self, ids: IntArray) -> FloatArray:
        """See Decoder.last; of each layer, only what the layers above it look at is computed."""
        state, time, sight = self.start(len(ids)), ids.shape[1], max(1, self.sight)
        size = min(WINDOW, sight)
        for begin in range(0, time, size):
            left = max(0, time - begin - size)
            depth = max(0, self.config.layers - -(-left // sight))
            hidden = self._read(ids[:, begin : begin + size], state, depth)
        return self._logits(hidden.reshape(len(ids), -1, self.config.hidden)[:, -1])

    def read(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.read."""
        hidden = self._read(ids, state)
        return self._logits(hidden).reshape(*ids.shape, -1), state

    def prefill(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.prefill."""
        for begin in range(0, ids.shape[1], WINDOW):
            hidden = self._read(ids[:, begin : begin + WINDOW], state)
        return self._logits(hidden.reshape(len(ids), -1, self.config.hidden)[:, -1]), state

    def _read(self, ids: IntArray, state: State, depth: int | None = None) -> FloatArray:
        """The residual stream after every token, (batch * time, hidden); the state is advanced.

        Args:
            depth: after how many layers to leave off; the next one's keys and values are still
                taken into the state. None for all.
        """
        time = ids.shape[1]
        begin, context = state.clock, self.config.context
        now = np.arange(begin, begin + time)  # when each token comes
        old = np.arange(max(0, begin - context + 1), begin)  # and of what the first one still sees
        seen = np.concatenate([old, now])
        boundaries = np.where(ids == 0, now, -1)
        boundaries[:, 0] = np.maximum(boundaries[:, 0], state.first)
        first = np.maximum.accumulate(boundaries, axis=1)  # (batch, time)
        state.first[:] = first[:, -1]
        far = (seen > now[:, None]) | (seen <= now[:, None] - context)  # (time, seen)
        hidden = far[None]
        if (first > seen[0]).any():
            hidden = hidden | (seen < first[..., None])
        hidden = hidden[:, None]  # (batch or 1, 1, time, seen)
        kept = now[-context:]

        def attend(
            layer: int, query: FloatArray, key: FloatArray, value: FloatArray
        ) -> FloatArray | None:
            whole = []
            for ring, new in ((state.keys[layer], key), (state.values[layer], value)):
                whole.append(np.concatenate([ring[:, :, old % context], new], axis=2))
                ring[:, :, kept % context] = new[:, :, -len(kept) :]
            if layer == depth:
                return None
            return attention(query, whole[0], whole[1], hidden)

        x = self._blocks(ids, state, now - first, attend)
        state.clock += time
        return x

    def _blocks(
        self, ids: IntArray, state: State, age: NDArray[np.integer], attend: Attend
    ) -> FloatArray:
        """The residual stream after the tokens from the state's clock on.

        Args:
            ids: (batch, time).
            state: its convolutions are advanced.
            age: positions of the document before each, (batch, time).
            attend: from a layer's number and its queries, keys and values, all (batch, heads, time,
                head width), to what each query found, of the same shape; None to leave off.
        Returns:
            (batch * time, hidden).
        """
        config, width = self.config, self.width
        batch, time = ids.shape
        x = self.embedding[ids.reshape(-1)]  # (batch * time, hidden)
        positions = state.clock - state.born[:, None, None, None] + np.arange(time)[:, None]
        # In float64: far from the beginning float32 would not know where in its turn an angle is.
        angle = positions[..., None] * self.angles  # (batch, 1, time, 1, head width / 2)
        cos, sin = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
        sines = np.concatenate([-sin, sin], -2)
        begun = [
            None if (of_document := age >= tap).all() else of_document[..., None]
            for tap in range(1, config.convolution)
        ]
        for layer, block in enumerate(self.blocks):
            y = rms_norm(x)
            if block.convolution is not None:
                y = y.reshape(batch, time, -1)
                y = convolve(y, block.convolution, state.recent[layer], begun)
                y = y.reshape(batch * time, -1)
            qkv = (y @ block.query_key_value).reshape(batch, time, 3, config.heads, width)
            qkv = qkv.transpose(2, 0, 3, 1, 4)
            # Queries and keys, (2, batch, heads, time, 2, head width / 2).
            pairs = rms_norm(qkv[:2]).reshape(2, batch, config.heads, time, 2, -1)
            turned = pairs * cos
            turned += pairs[..., ::-1, :] * sines
            query, key = turned.reshape(2, batch, config.heads, time, width)
            found = attend(layer, query, key, qkv[2])
            if found is None:
                break
            mixed = found.transpose(0, 2, 1, 3)
            x += mixed.reshape(batch * time, -1) @ block.output
            inner = rms_norm(x) @ block.up
            np.maximum(inner, 0.0, out=inner)
            inner *= inner
            x += inner @ block.down
        return np.asarray(x)

    def _logits(self, x: FloatArray) -> FloatArray:
        """(rows, hidden) to (rows, vocabulary)."""
        logits = rms_norm(x) @ self.output
        if self.config.logit_softcap is not None:
            cap = np.float32(self.config.logit_softcap)
            logits = cap * np.tanh(logits / cap)
        return np.asarray(logits)
