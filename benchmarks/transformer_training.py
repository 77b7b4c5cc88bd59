"""Training speed of a small Transformer beside nanoGPT's on the CPU, measured in one run.

    git clone https://github.com/karpathy/nanoGPT
    python benchmarks/transformer_training.py --nanogpt nanoGPT [--rounds 5] [--seconds 5]

Both have 4 layers x 128, 4 heads, 65 tokens and no dropout, and each update cuts its batch out of a
corpus. seqgen makes the updates that `seqgen train` makes; nanoGPT's model.py (any PyTorch it runs
with) is driven as its train.py drives it with the README's options for a CPU, uncompiled; and once
more under bfloat16 autocast.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from contest import (
    Maker,
    Step,
    Target,
    is_installed,
    print_rates,
    random_tokens,
    rates_of,
    seqgen_step,
)
from peers import NanoGPT, require_nanogpt

VOCABULARY = 65
# At least so many times as fast, by (window, batch).
TARGETS = {(64, 12): 1.2, (256, 32): 1.3}
PEERS = ("nanoGPT, float32", "nanoGPT, bfloat16")


def nanogpt_step(folder: Path, batch: int, window: int, *, bfloat16: bool) -> Step:
    """nanoGPT's update."""
    peer = NanoGPT(folder, VOCABULARY, batch, window)
    # Its data are 16-bit, and it knows no boundary.
    tokens = random_tokens(VOCABULARY, (1_000_000,)).astype(np.uint16)

    def step() -> int:
        peer.update(tokens, 0, bfloat16=bfloat16)
        return batch * window

    return step


def main() -> None:
    """Print a table a shape."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nanogpt", type=Path, help="a checkout of karpathy/nanoGPT")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a turn, at least")
    options = parser.parse_args()
    folder = require_nanogpt(options.nanogpt)
    if not is_installed("torch"):
        sys.exit("PyTorch, which nanoGPT needs, is not installed: pip install torch")
    for (window, batch), least in TARGETS.items():
        makers: dict[str, Maker] = {
            "seqgen": partial(
                seqgen_step,
                "transformer",
                vocabulary=VOCABULARY,
                layers=4,
                hidden=128,
                embedding=128,
                batch=batch,
                window=window,
            )
        }
        for name, bfloat16 in zip(PEERS, (False, True), strict=True):
            makers[name] = partial(nanogpt_step, folder, batch, window, bfloat16=bfloat16)
        rates = rates_of(makers, rounds=options.rounds, seconds=options.seconds)
        print_rates(f"batch {batch}, window {window}", rates, [Target("nanoGPT", PEERS, least)])


if __name__ == "__main__":
    main()
