"""What a network and its batches need at least, said before the system ends the program for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from seqgen.config import ModelConfig, TrainingConfig
from seqgen.errors import TrainingError
from seqgen.models import parameters

__all__ = ["explained", "least_bytes", "machine_bytes", "require_memory"]

FLOAT_BYTES = 4
# Weights, their gradients, one number to remember of each, and the copy that is the last good state
# (the weights and what is remembered).
PER_WEIGHT = 5
# Where a control group limits memory, in its two versions.
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def least_bytes(model: ModelConfig, config: TrainingConfig) -> int:
    """Bytes that training takes at the very least; it takes about twice as many."""
    positions = config.batch_size * config.seq_length
    logits = 2 * model.vocabulary  # and their gradient
    activations = 2 * model.layers * model.hidden
    attention = model.heads * config.seq_length  # of one block: every token to every token
    each = logits + activations + attention
    return FLOAT_BYTES * (PER_WEIGHT * parameters.count(model) + positions * each)


def machine_bytes() -> int | None:
    """Memory that this process may use; None where the system does not tell."""
    known = []
    try:
        known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return None
    for path in LIMITS:
        try:
            known.append(int(Path(path).read_text(encoding="ascii")))
        except (OSError, ValueError):  # another version, or "max"
            continue
    return min(known)


def require_memory(model: ModelConfig, config: TrainingConfig) -> None:
    """Refuse what can't fit.

    Raises:
        TrainingError: it needs more memory than the machine has.
    """
    least, most = least_bytes(model, config), machine_bytes()
    if most is not None and least > most:
        raise _out_of_memory(config, f"at least {_gigabytes(least)} of {_gigabytes(most)}")


@contextlib.contextmanager
def explained(config: TrainingConfig) -> Iterator[None]:
    """Says what to lower when memory runs out after all.

    Raises:
        TrainingError: it did.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise _out_of_memory(config) from error


def _out_of_memory(config: TrainingConfig, amount: str = "") -> TrainingError:
    """What to say when a network and a batch do not fit."""
    amount = f" ({amount})" if amount else ""
    return TrainingError(
        f"a network this large with {config.batch_size} sequences of {config.seq_length} tokens "
        f"needs more memory than there is{amount}; lower --hidden, --layers, --batch-size or "
        "--seq-length (--accumulate makes up for small batches)"
    )


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:,.1f} GB"
