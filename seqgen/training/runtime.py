"""TensorFlow as a quiet guest: its import, and what this machine computes fastest."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from seqgen.config import Precision

__all__ = ["import_tensorflow", "native_precision"]

# Processors with these multiply bfloat16 matrices at about twice the rate of float32.
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def import_tensorflow() -> None:
    """Import TensorFlow and Keras on the TensorFlow backend, without their start-up chatter."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # Some messages come from C++ before any log level is read: only the descriptor can hush them.
    with _stderr_discarded():
        import keras
        import tensorflow as tf

        keras.config.disable_traceback_filtering()
        tf.constant(0)  # makes the runtime, which says what devices it looked for
    # What an import makes lives as long as the program: no collection, the last one at the exit
    # above all (about a second), need look through it for garbage.
    gc.freeze()


def native_precision() -> Precision:
    """``bfloat16`` where the processor multiplies bfloat16 matrices itself, else ``float32``."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "float32"
    flags = next((line for line in info.splitlines() if line.startswith("flags")), "")
    return "bfloat16" if BFLOAT16_FLAGS & set(flags.split()) else "float32"


@contextlib.contextmanager
def _stderr_discarded() -> Iterator[None]:
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
