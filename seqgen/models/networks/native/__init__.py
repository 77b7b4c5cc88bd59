"""Machine code of our own, for processors that it is known on: training, and drawing many at once.

TensorFlow runs a recurrent loop's steps operation by operation, and lays the recurrent matrix out
anew for each product. Here a step is one piece of code: the product (products.py) with a matrix
that is laid out once an update (panels.py), and the cell, whose equations (cells.py) are written
down for LLVM to compile (lanes.py), shared out among threads (team.py) that meet once a step
(loops.py; layer.py is the operation). A Transformer's blocks (stack.py; blocks.py is the operation)
go by chunks of positions (rows.py) and by heads (attention.py; heads.py for a row of one, scores.py
for what queries and keys come to), so that activations stay near the processor until a block is
done; Muon's updates (muon.py) by matrices. A step of many sequences that are drawn is one piece too
(drawing.py). What LLVM made is kept (kept.py, under names.py's).
"""

from __future__ import annotations

import functools
import importlib.util
import platform
import sys

from seqgen.config import ModelConfig, Precision
from seqgen.files import cache_folder

__all__ = ["can_draw", "can_run", "is_drawing_kept", "is_kept"]


def can_run(config: ModelConfig, precision: Precision) -> bool:
    """Whether this processor has the instructions, and the network a shape that they suit."""
    width = config.hidden if config.recurrent else config.hidden // config.heads
    return width % 32 == 0 and _has_instructions(precision)


def is_kept(config: ModelConfig, precision: Precision) -> bool:
    """Whether the code of a network that can run has been compiled on this machine before."""
    from seqgen.models.networks.native.kept import are_kept
    from seqgen.models.networks.native.names import names_of

    return are_kept(names_of(config, precision == "bfloat16"))


def can_draw(config: ModelConfig) -> bool:
    """Whether this processor has the instructions to draw from a network by compiled code, and the
    network a shape that suits them."""
    width = 0 if config.recurrent else config.hidden // config.heads
    suits = config.recurrent or (width % 16 == config.hidden % 32 == 0 and width <= 256)
    return suits and _has_instructions("float32")


def is_drawing_kept(config: ModelConfig) -> bool:
    """Whether the code that draws from a network has been compiled on this machine before."""
    # Without numba, as long as nothing is.
    if not any((cache_folder() / "native").glob("*.bin")):
        return False
    from seqgen.models.networks.native.kept import are_kept
    from seqgen.models.networks.native.names import MATRICES, drawing_name, places

    if config.recurrent:
        return are_kept([drawing_name(None)])
    count = places(4 * config.layers, MATRICES)
    return are_kept([drawing_name(config.hidden // config.heads, count)])


@functools.cache
def _has_instructions(precision: Precision) -> bool:
    if sys.platform not in ("linux", "darwin") or platform.machine() != "x86_64":
        return False
    if importlib.util.find_spec("numba") is None:
        return False
    from seqgen.models.networks.native.products import features

    needed = {"avx512f", "avx512bf16"} if precision == "bfloat16" else {"avx2", "fma"}
    return needed <= features()
