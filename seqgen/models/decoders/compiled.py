"""Steps of several sequences in compiled code: seqgen.models.networks.native.drawing, made ready.

To load it takes half a second, and to compile it, once a machine, some more. So a decoder goes over
to it when as much has been drawn as would have paid for that, which at worst doubles what it costs
(Karlin et al. 1988 on skis, to rent or to buy).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqgen.config import ModelConfig
from seqgen.models.decoders.decoder import FloatArray, IntArray
from seqgen.models.decoders.operations import aligned
from seqgen.models.parameters import count

if TYPE_CHECKING:
    from seqgen.models.decoders.blocks import Block, Turns
    from seqgen.models.decoders.cache import Cache

__all__ = ["CompiledStep", "Product", "best_rows", "is_worth", "products"]

Product = Callable[[FloatArray, FloatArray], None]
"""Of (x, y): y = x times a matrix, (rows, inner) to (rows, columns), where columns are as many as
whole panels have."""

# Tokens that take so much less time by compiled code, some 50 us each, as it takes to load it, or
# to compile it too: 7 s for a Transformer's step, 0.8 s for a product.
_LOADED = 10_000
_COMPILED = {"step": 160_000, "product": 20_000}
_AHEAD = 0.25  # of as many: more may follow what is known of
_MOST_WEIGHTS = 1 << 26  # as the matrices are laid out once more
_FEW = 8
_FEW_WEIGHTS = 1 << 22


def is_worth(config: ModelConfig, dtype: np.dtype[np.floating], drawn: int, ahead: int) -> bool:
    """Whether a network should go over to compiled code.

    Args:
        dtype: in which it computes.
        drawn: how many tokens it has drawn.
        ahead: how many it is to draw, as far as is known.
    """
    if dtype != np.float32 or count(config) > _MOST_WEIGHTS:
        return False

    def pays(tokens: int) -> bool:
        return drawn >= tokens and ahead >= _AHEAD * tokens

    if not pays(_LOADED):
        return False
    from seqgen.models.networks.native import can_draw, is_drawing_kept

    compiling = pays(_COMPILED["product" if config.recurrent else "step"])
    try:
        return (compiling or is_drawing_kept(config)) and can_draw(config)
    except ImportError:  # numba is there, but not for this NumPy
        return False


def best_rows(config: ModelConfig, most: int) -> int:
    """How many sequences, of so many at most, a Transformer's compiled step draws best at once.

    Few keep their keys and values in the processor's cache, and a step costs no more than they do;
    but weights that the cache does not hold are read for all of them once.
    """
    return min(most, _FEW) if count(config) <= _FEW_WEIGHTS else most


def _panels(matrix: FloatArray) -> FloatArray:
    """A matrix as the compiled code reads it, (columns / PANEL, inner, PANEL); what columns are
    missing are zeros."""
    from seqgen.models.networks.native.drawing import PANEL

    inner, columns = matrix.shape
    panels = aligned((-(-columns // PANEL), inner, PANEL), matrix.dtype)
    for at in range(len(panels)):
        own = matrix[:, at * PANEL : (at + 1) * PANEL]
        panels[at, :, : own.shape[1]] = own
        panels[at, :, own.shape[1] :] = 0.0
    return panels


def products(matrices: Sequence[FloatArray]) -> list[Product]:
    """Of each matrix."""
    from seqgen.models.networks.native.drawing import make_multiply

    multiply = make_multiply()

    def product(matrix: FloatArray) -> Product:
        panels = _panels(matrix)
        return lambda x, y: multiply(x, panels, y)

    return [product(matrix) for matrix in matrices]


class CompiledStep:
    """A Transformer's.

    Args:
        config: the network.
        embedding: of all tokens, normalised.
        blocks: its layers.
        output: what makes logits, (hidden, vocabulary).
    """

    def __init__(
        self,
        config: ModelConfig,
        embedding: FloatArray,
        blocks: Sequence[Block],
        output: FloatArray,
    ) -> None:
        from seqgen.models.networks.native.drawing import make_step
        from seqgen.models.networks.native.names import MATRICES, fill

        self._config, self._embedding = config, embedding
        matrices = [
            _panels(matrix)
            for block in blocks
            for matrix in (block.query_key_value, block.output, block.up, block.down)
        ]
        self._panels, self._last = fill(matrices, MATRICES), _panels(output)
        nothing = np.zeros((0, config.hidden), embedding.dtype)
        convolutions = [block.convolution for block in blocks]
        self._kernels = np.stack([nothing if each is None else each for each in convolutions])
        self._step = make_step(config.hidden // config.heads, len(self._panels))

    def __call__(
        self,
        ids: IntArray,
        positions: NDArray[np.int64],
        cache: Cache,
        recent: FloatArray,
        turns: Turns,
    ) -> FloatArray:
        """The logits, (batch, vocabulary), before they are capped.

        Args:
            ids: (batch,).
            positions: in their documents, (batch,); the cache has been advanced to them.
            recent: see transformer.State; it is advanced.
        """
        keys, values, blocks = cache.whole
        logits = aligned((len(ids), self._last.shape[0] * self._last.shape[2]), keys.dtype)
        turn = turns.of(positions).view(keys.dtype).reshape(len(ids), -1, 2)
        self._step(
            ids, self._embedding, self._panels, self._kernels, recent, positions, turn,
            keys, values, blocks, self._config.context, self._last, logits,
        )  # fmt: skip
        return logits[:, : self._config.vocabulary]
