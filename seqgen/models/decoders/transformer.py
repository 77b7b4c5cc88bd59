"""The Transformer with a cache of keys and values; its equations are in
seqgen.models.networks.transformer.

The cache is a window of the last ``context`` positions: past the length it was trained on, the
oldest key and value make room for the newest. Rotary attention depends on distances alone, and keys
are stored already turned by their position, so nothing in the window needs to be touched. Positions
count from the boundary token that a document begins with, as nothing before it is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqgen.config import ModelConfig
from seqgen.models.decoders.alone import Alone
from seqgen.models.decoders.blocks import Turns, blocks_of
from seqgen.models.decoders.cache import Cache, Noted
from seqgen.models.decoders.compiled import CompiledStep, best_rows, is_worth
from seqgen.models.decoders.decoder import FloatArray, IntArray, Weights
from seqgen.models.decoders.operations import SAFE_WIDTH, attention, convolve, rms_norm

__all__ = ["TransformerDecoder"]

WINDOW = 256  # tokens of a prompt that are read at once
CHUNK = 64  # of these, those that look together at what the last one sees

Attend = Callable[[int, FloatArray, FloatArray, FloatArray], FloatArray | None]


@dataclass(slots=True)
class State:
    """What the next positions look at.

    Attributes:
        cache: keys and values, and the position of each document.
        recent: what the convolutions need of the last positions, the latest last, (layers, batch,
            taps - 1, hidden).
        alone: what a step of the only sequence needs, with views of the others, which are never
            replaced; None until it does.
    """

    cache: Cache
    recent: FloatArray
    alone: Alone | None = None


class TransformerDecoder:
    """See Decoder."""

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        self.config = config
        self.weights = weights
        self.width = config.hidden // config.heads
        self.embedding = rms_norm(weights["embedding"])
        tied = config.tie_embeddings
        self.output = weights["embedding"].T if tied else weights["output.kernel"]
        self.blocks = blocks_of(config, weights)
        self.turns = Turns(self.width, self.embedding.dtype)
        self._compiled: CompiledStep | None = None
        # NumPy compares with a row of zeros five times as fast as with one zero.
        self.zeros = np.zeros_like(self.blocks[0].down[:, 0])

    def start(self, batch: int) -> State:
        """No positions."""
        config, dtype = self.config, self.embedding.dtype
        recent = (config.layers, batch, max(0, config.convolution - 1), config.hidden)
        return State(Cache(config, batch, dtype), np.zeros(recent, dtype))

    def step(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.step."""
        cache = state.cache
        if 0 in ids.tolist():  # the boundary token begins a document
            cache.restart(np.flatnonzero(ids == 0))
        if len(ids) == 1 and self.width <= SAFE_WIDTH:
            if state.alone is None:
                state.alone = Alone(self.config, cache, state.recent)
            x = state.alone.step(ids.item(0), self.embedding, self.blocks, self.turns)
            return self._output(x[None]), state
        positions = cache.age.copy()
        place = cache.advance()
        if self._compiled is not None:
            logits = self._compiled(ids, positions, cache, state.recent, self.turns)
            return self._capped(logits), state

        def attend(layer: int, query: FloatArray, key: FloatArray, value: FloatArray) -> FloatArray:
            return cache.find(layer, place, query[:, 0], key[:, 0], value[:, 0])

        x = self._blocks(ids[:, None], positions[:, None], state.recent, attend)
        return self._logits(x), state

    def keep(self, state: State, rows: IntArray) -> State:
        """See Decoder.keep."""
        kept = self.start(len(rows))
        for row, source in enumerate(rows.tolist()):
            kept.cache.copy(row, state.cache, source)
        kept.recent[:] = state.recent[:, rows]
        return kept

    def put(self, state: State, row: int, primed: State) -> None:
        """See Decoder.put."""
        state.cache.copy(row, primed.cache, 0)
        state.recent[:, row] = primed.recent[:, 0]

    def note(self, state: State, row: int) -> tuple[Noted, FloatArray]:
        """See Decoder.note."""
        return state.cache.note(row), state.recent[:, row].copy()

    def back(self, state: State, row: int, noted: tuple[Noted, FloatArray]) -> bool:
        """See Decoder.back."""
        of_cache, recent = noted
        if not state.cache.back(row, of_cache):
            return False
        state.recent[:, row] = recent
        return True

    def hasten(self, drawn: int, ahead: int) -> None:
        """See Decoder.hasten."""
        if self._compiled is None and is_worth(self.config, self.embedding.dtype, drawn, ahead):
            self._compiled = CompiledStep(self.config, self.embedding, self.blocks, self.output)

    def rows(self, most: int) -> int:
        """See Decoder.rows."""
        return most if self._compiled is None else best_rows(self.config, most)

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
            hidden = self._read(ids[:, begin : begin + size], state, depth, last=True)
        return self._logits(hidden)

    def read(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.read."""
        hidden = self._read(ids, state)
        return self._logits(hidden).reshape(*ids.shape, -1), state

    def prefill(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """See Decoder.prefill."""
        for begin in range(0, ids.shape[1], WINDOW):
            hidden = self._read(ids[:, begin : begin + WINDOW], state, last=True)
        return self._logits(hidden), state

    def _read(
        self, ids: IntArray, state: State, depth: int | None = None, *, last: bool = False
    ) -> FloatArray:
        """The residual stream after every token, (batch * time, hidden); the state is advanced.

        Args:
            depth: after how many layers to leave off; the next one's keys and values are still
                taken into the state. None for all.
            last: of the last layer only what it makes of the last token, (batch, hidden).
        """
        cache, context, time = state.cache, self.config.context, ids.shape[1]
        now = np.arange(time)
        boundaries = np.where(ids == 0, now, -cache.age[:, None])
        first = np.maximum.accumulate(boundaries, axis=1)  # when each document began, (batch, time)
        positions = now - first
        before = min(context - 1, int(cache.age.max()))
        seen = np.arange(-before, time)
        far = (seen > now[:, None]) | (seen <= now[:, None] - context)  # (time, seen)
        hidden = far[None]
        if (first > seen[0]).any():
            hidden = hidden | (seen < first[..., None])
        hidden = hidden[:, None]  # (batch or 1, 1, time, seen)
        place = cache.latest(before)
        new: list[tuple[FloatArray, FloatArray]] = []

        def attend(
            layer: int, query: FloatArray, key: FloatArray, value: FloatArray
        ) -> FloatArray | None:
            query, key, value = (each.swapaxes(1, 2) for each in (query, key, value))
            new.append((key, value))
            if layer == depth:
                return None
            if before:
                old = cache.read(layer, place)
                key, value = (
                    np.concatenate(both, axis=2) for both in zip(old, (key, value), strict=True)
                )
            found, first = [], time - query.shape[2]
            for begin in range(first, time, CHUNK):
                asked = slice(begin, min(begin + CHUNK, time))
                sight = slice(max(0, before + begin - context + 1), before + asked.stop)
                found.append(
                    attention(
                        query[:, :, begin - first : asked.stop - first],
                        key[:, :, sight], value[:, :, sight], hidden[:, :, asked, sight],
                    )
                )  # fmt: skip
            return np.concatenate(found, axis=2).swapaxes(1, 2)

        x = self._blocks(ids, positions, state.recent, attend, last=last)
        cache.extend(positions, new)
        return x

    def _blocks(
        self,
        ids: IntArray,
        positions: NDArray[np.integer],
        recent: FloatArray,
        attend: Attend,
        *,
        last: bool = False,
    ) -> FloatArray:
        """The residual stream after some tokens, (batch * time, hidden).

        Args:
            ids: (batch, time).
            positions: of each in its document, (batch, time).
            recent: see State; it is advanced.
            attend: from a layer's number and its queries, keys and values, all (batch, time, heads,
                head width), to what each query found, of the same shape; None to leave off.
            last: see _read.
        """
        config, width = self.config, self.width
        batch, time = ids.shape
        x = self.embedding[ids.reshape(-1)]  # (batch * time, hidden)
        turn = self.turns.of(positions.reshape(-1, 1))  # (rows, 1, head width / 2)
        begun = [
            None if (of_document := positions >= tap).all() else of_document[..., None]
            for tap in range(1, config.convolution)
        ]
        for layer, block in enumerate(self.blocks):
            y = rms_norm(x)
            if block.convolution is not None:
                y = y.reshape(batch, time, -1)
                y = convolve(y, block.convolution, recent[layer], begun)
                y = y.reshape(batch * time, -1)
            qkv = (y @ block.query_key_value).reshape(-1, 3 * config.heads, width)
            value = qkv[:, 2 * config.heads :].reshape(batch, time, config.heads, width)
            # Queries and keys, pairs of dimensions as complex numbers.
            both = rms_norm(qkv[:, : 2 * config.heads]).view(turn.dtype)
            both *= turn  # (rows, 2 * heads, head width / 2)
            turned = both.view(x.dtype).reshape(batch, time, 2, config.heads, width)
            query, key = turned[:, :, 0], turned[:, :, 1]
            if last and layer == config.layers - 1:  # nobody asks what the others find
                x, query = x.reshape(batch, time, -1)[:, -1], query[:, -1:]
            found = attend(layer, query, key, value)
            if found is None:
                break
            x += found.reshape(len(x), -1) @ block.output
            inner = rms_norm(x) @ block.up
            np.maximum(inner, self.zeros, out=inner)
            inner *= inner
            x += inner @ block.down
        return np.asarray(x)

    def _logits(self, x: FloatArray) -> FloatArray:
        """Of the residual stream, (rows, hidden) to (rows, vocabulary)."""
        return self._output(rms_norm(x))

    def _output(self, x: FloatArray) -> FloatArray:
        return self._capped(x @ self.output)

    def _capped(self, logits: FloatArray) -> FloatArray:
        if self.config.logit_softcap is not None:
            cap = np.float32(self.config.logit_softcap)
            logits = cap * np.tanh(logits / cap)
        return np.asarray(logits)
