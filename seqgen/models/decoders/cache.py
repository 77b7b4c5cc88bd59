"""The keys and values that the documents of a batch still see.

They lie in blocks, each some positions of one document. The blocks of all are side by side, in any
order, and a step multiplies them in one go, at the pace of the memory that they come from; so a
document costs as much as it is long, and the shorter ones need no padding (after Kwon et al. 2023,
"PagedAttention"). Past ``context`` positions the newest takes the slot of the oldest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqgen.config import ModelConfig
from seqgen.models.decoders.decoder import FloatArray
from seqgen.models.decoders.operations import SAFE_WIDTH

__all__ = ["Cache", "Noted", "One"]

BLOCK = 64  # positions
NOTED = 32  # of them, behind a place to come back to; nearly all bars of a tune are shorter

IndexArray = NDArray[np.intp]
Place = tuple[IndexArray, IndexArray]  # blocks, and the slot in each
# An age, and keys and values, (positions, layers, heads, head width) each.
Noted = tuple[int, FloatArray, FloatArray]


class One(NamedTuple):
    """Views of what the next position of an only row looks at.

    Attributes:
        keys, values: of all positions in sight, (layers, heads, seen, head width).
        key, value: of the new one, to be put there, (layers, heads, head width).
        ones: as many as are in sight, (seen,).
        scores: room for those of a layer, (heads, seen).
    """

    keys: FloatArray
    values: FloatArray
    key: FloatArray
    value: FloatArray
    ones: FloatArray
    scores: FloatArray


class Cache:
    """See the module.

    Args:
        config: the network.
        batch: how many documents, one a row.
        dtype: of keys and values.
    Attributes:
        age: how many positions of each document there have been, (batch,).
    """

    def __init__(self, config: ModelConfig, batch: int, dtype: np.dtype[np.floating]) -> None:
        self._width, self._context = config.hidden // config.heads, config.context
        # Where each row has one block, as it must have in wide heads, there is nothing to gather.
        single = batch == 1 or self._width > SAFE_WIDTH
        self._size = config.context if single else min(BLOCK, config.context)
        each = -(-config.context // self._size)
        # Pages of memory that no block has come to yet take no room.
        shape = (config.layers, batch * each, config.heads, self._size, self._width)
        self._keys, self._values = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self._scores = np.empty(batch * each * config.heads * self._size, dtype)
        # Whether a slot is in sight. The values of others are 0, which their blocks rely on.
        self._seen = np.zeros((batch * each, self._size), dtype)
        self._rows = np.arange(batch)
        self.age = np.zeros(batch, np.int64)
        # The blocks of each row, -1 for none; the first is its own for ever.
        self._blocks = np.full((batch, each), -1, np.intp)
        self._blocks[:, 0] = self._rows
        self._owner = np.zeros(batch * each, np.intp)
        self._owner[:batch] = self._rows
        self._used = batch  # blocks; after them there are none
        self._free: list[int] = []  # of these, those that no row has, the first one last

    @property
    def whole(self) -> tuple[FloatArray, FloatArray, IndexArray]:
        """Keys and values as they lie, (layers, blocks, heads, positions, head width), and the
        blocks of each row, (batch, any): position p is number p % context of them all."""
        return self._keys, self._values, self._blocks

    def restart(self, rows: IndexArray) -> None:
        """Let new documents begin."""
        blocks = self._blocks[rows]
        blocks = blocks[blocks >= 0]
        at, slots = np.nonzero(self._seen[blocks])
        self._values[:, blocks[at], :, slots] = 0.0
        self._seen[blocks] = 0.0
        self.age[rows] = 0
        self._release(rows, 1)

    def note(self, row: int) -> Noted:
        """What it takes to come back to here: keys and values that the next positions displace."""
        age = int(self.age[row])
        blocks, slots = self._of(row, np.arange(max(age, self._context), age + NOTED))
        return age, self._keys[:, blocks, :, slots], self._values[:, blocks, :, slots]

    def back(self, row: int, noted: Noted) -> bool:
        """Forget a document's positions since; False if they have displaced more than that."""
        age, keys, values = noted
        now = int(self.age[row])
        if now > self._context and now - age > NOTED:
            return False
        blocks, slots = self._of(row, np.arange(age, min(now, self._context)))
        self._values[:, blocks, :, slots] = 0.0
        self._seen[blocks, slots] = 0.0
        blocks, slots = self._of(row, np.arange(max(age, self._context), now))
        self._keys[:, blocks, :, slots] = keys[: len(blocks)]
        self._values[:, blocks, :, slots] = values[: len(blocks)]
        self.age[row] = age
        self._release(np.array([row]), max(1, -(-age // self._size)))
        return True

    def _of(self, row: int, positions: IndexArray) -> tuple[IndexArray, IndexArray]:
        """The blocks and slots of a document's positions."""
        at, slots = np.divmod(positions % self._context, self._size)
        return self._blocks[row, at], slots

    def _release(self, rows: IndexArray, kept: int) -> None:
        """Take from some rows all but so many of their blocks."""
        spare = self._blocks[rows, kept:]
        spare = spare[spare >= 0]
        if len(spare):
            self._blocks[rows, kept:] = -1
            self._owner[spare] = 0
            self._free = sorted([*self._free, *spare.tolist()], reverse=True)
            while self._free and self._free[0] == self._used - 1:
                self._used = self._free.pop(0)

    def _make_room(self, row: int, age: int) -> None:
        """Give a document the blocks that it needs at an age."""
        begun = int((self._blocks[row] >= 0).sum())
        for at in range(begun, -(-min(age, self._context) // self._size)):
            block = self._free.pop() if self._free else self._used
            self._used = max(self._used, block + 1)
            self._blocks[row, at], self._owner[block] = block, row

    def advance(self) -> Place:
        """Go to the next position of every row; the block and the slot in it where it will lie."""
        at, slots = np.divmod(self.age % self._context, self._size)
        for row in np.flatnonzero((slots == 0) & (self.age < self._context)).tolist():
            self._make_room(row, int(self.age[row]) + 1)
        place = self._blocks[self._rows, at], slots
        self._seen[place] = 1.0
        self.age += 1
        return place

    def advance_alone(self) -> One:
        """Go to the next position of the only row, whose heads are not wide."""
        slot = self.age.item(0) % self._context
        self._seen[0, slot] = 1.0
        self.age += 1
        size = min(self._size, self.age.item(0))
        keys, values = self._keys[:, 0], self._values[:, 0]
        heads = keys.shape[1]
        return One(
            keys[:, :, :size],
            values[:, :, :size],
            keys[:, :, slot],
            values[:, :, slot],
            self._seen[0, :size],
            self._scores[: heads * size].reshape(heads, size),
        )

    def find(
        self,
        layer: int,
        place: Place,
        query: FloatArray,
        key: FloatArray,
        value: FloatArray,
    ) -> FloatArray:
        """What the query of each row finds, (batch, heads, head width).

        Args:
            place: what advance returned; the key and the value are put there.
            query, key, value: of the new positions, (batch, heads, head width); normalised.
        """
        batch, heads, width = query.shape
        keys, values, (blocks, slots) = self._keys[layer], self._values[layer], place
        keys[blocks, :, slots], values[blocks, :, slots] = key, value
        used, size = self._used, self._size
        scattered = used > batch
        if not scattered:
            size = min(size, int(self.age.max()))
        query = query * width**-0.5
        scores = self._scores[: used * heads * size].reshape(used, heads, size)
        found = np.empty((used + 1, heads, width), query.dtype)
        sums = np.empty((used + 1, heads), query.dtype)

        own = query[self._owner[:used]] if scattered else query
        seen = self._seen[:used, None, :size]
        np.matmul(own[:, :, None], keys[:used, :, :size].swapaxes(-1, -2), out=scores[:, :, None])
        if width > SAFE_WIDTH:
            scores -= np.where(seen > 0.0, scores, -np.inf).max(-1, keepdims=True)
            np.minimum(scores, 0.0, out=scores)
        np.exp(scores, out=scores)
        np.vecdot(scores, seen, out=sums[:used])
        np.matmul(scores[:, :, None], values[:used, :, :size], out=found[:used, :, None])
        found[-1], sums[-1] = 0.0, 0.0  # what a block finds that is not there
        if scattered:
            found, sums = found[self._blocks].sum(1), sums[self._blocks].sum(1)
        else:
            found, sums = found[:-1], sums[:-1]
        found /= sums[..., None]
        return found

    def latest(self, count: int) -> tuple[IndexArray, IndexArray]:
        """The blocks and slots of each row's last positions, (batch, count).

        Where a document has had fewer they are those of another position.
        """
        positions = np.maximum(self.age[:, None] + np.arange(-count, 0), 0)
        at, slots = np.divmod(positions % self._context, self._size)
        return self._blocks[self._rows[:, None], at], slots

    def read(
        self, layer: int, place: tuple[IndexArray, IndexArray]
    ) -> tuple[FloatArray, FloatArray]:
        """Keys and values, (batch, heads, count, head width) each, of what latest returned."""
        blocks, slots = place
        keys, values = self._keys[layer][blocks, :, slots], self._values[layer][blocks, :, slots]
        return keys.transpose(0, 2, 1, 3), values.transpose(0, 2, 1, 3)

    def extend(
        self, positions: NDArray[np.integer], new: Sequence[tuple[FloatArray, FloatArray]]
    ) -> None:
        """Take in a stretch of every row, in which other documents may begin.

        Args:
            positions: in their documents, (batch, time).
            new: keys and values of the lowest layers, (batch, heads, time, head width) each.
        """
        time, age = positions.shape[1], positions[:, -1] + 1
        self.restart(np.flatnonzero(age != self.age + time))
        self.age[:] = age
        for row, own in enumerate(age.tolist()):
            self._make_room(row, own)
        back = np.arange(time, 0, -1)
        rows, at = np.nonzero((back <= age[:, None]) & (back <= self._context))
        which, slots = np.divmod(positions[rows, at] % self._context, self._size)
        blocks = self._blocks[rows, which]
        self._seen[blocks, slots] = 1.0
        for layer, (key, value) in enumerate(new):
            self._keys[layer][blocks, :, slots] = key[rows, :, at]
            self._values[layer][blocks, :, slots] = value[rows, :, at]

    def copy(self, row: int, other: Cache, source: int) -> None:
        """Let a row go on from a row of another cache of the same network."""
        self.restart(np.array([row]))
        age = int(other.age[source])
        self._make_room(row, age)
        self.age[row] = age
        step = min(self._size, other._size)
        for begin in range(0, min(age, self._context), step):
            size = min(step, self._context - begin)
            block, part = self._part(row, begin, size)
            there, its = other._part(source, begin, size)
            self._keys[:, block, :, part] = other._keys[:, there, :, its]
            self._values[:, block, :, part] = other._values[:, there, :, its]
            self._seen[block, part] = other._seen[there, its]

    def _part(self, row: int, begin: int, size: int) -> tuple[int, slice]:
        at, slot = divmod(begin, self._size)
        return int(self._blocks[row, at]), slice(slot, slot + size)
