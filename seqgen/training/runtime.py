"""TensorFlow as a quiet guest: its import, and what this machine computes fastest."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from seqgen.config import Precision

__all__ = ["import_tensorflow", "native_precision", "processor"]

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
        tf.get_logger().setLevel("ERROR")  # it warns of networks compiled anew, as trials are
        tf.constant(0)  # makes the runtime, which says what devices it looked for


def native_precision() -> Precision:
    """``bfloat16`` where the processor multiplies bfloat16 matrices itself, else ``float32``."""
    return "bfloat16" if BFLOAT16_FLAGS & set(_cpuinfo("flags").split()) else "float32"


def processor() -> str:
    """The processor's name, as far as the system tells: its family, model and what it can."""
    names = ("model name", "cpu family", "model", "stepping", "flags")
    told = "; ".join(_cpuinfo(name) for name in names)
    return told.strip("; ") or platform.processor() or platform.machine()


def _cpuinfo(name: str) -> str:
    """What Linux says of its first processor under a name; empty if nothing."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    pairs = (line.partition(":") for line in info.splitlines())
    return next((value.strip() for key, _, value in pairs if key.strip() == name), "")


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
