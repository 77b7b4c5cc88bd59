"""The numbers of a run as TensorBoard reads them: scalars in event files.

Written by TensorFlow's own writer of its first summary interface: the second needs TensorBoard
itself to be installed, and can't say that a run goes on from an earlier step.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from seqgen.files import require_folder

__all__ = ["TAGS", "EventFiles"]

# What a line of metrics holds, as TensorBoard groups it.
TAGS = {
    "loss_nats": "training/loss_nats",
    "bits_per_char": "validation/bits_per_char",
    "nats_per_char": "validation/nats_per_char",
    "bits_per_event": "validation/bits_per_event",
    "nats_per_event": "validation/nats_per_event",
    "learning_rate": "training/learning_rate",
    "gradient_norm": "training/gradient_norm",
    "tokens_per_second": "training/tokens_per_second",
}


class EventFiles:
    """A new event file in a folder, beside those of the run's earlier parts.

    Like metrics, they are worth less than the model: when they can't be written any more, training
    goes on, and ``problem`` says why.

    Args:
        folder: made if it is missing.
        first_step: TensorBoard forgets what the folder's files say of this step and later ones,
            such as updates that were lost when the run was killed.
    Raises:
        OutputError: the folder can't be made or written to.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        self.folder = folder
        self.problem: str | None = None
        require_folder(folder / "events")
        # The writer asks for graph mode when it is made, not when it is used. Two in one second
        # would have the same name, and the second would empty the first.
        with tf.Graph().as_default():
            self._writer = tf.compat.v1.summary.FileWriter(
                str(folder),
                filename_suffix=f".{time.time_ns()}",
            )
        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        self._writer.add_session_log(start, first_step)

    def write(self, values: dict[str, Any]) -> None:
        """Add a line of metrics; it is on disk afterwards."""
        summary = tf.compat.v1.Summary()
        for name, tag in TAGS.items():
            if name in values:
                summary.value.add(tag=tag, simple_value=values[name])
        if self.problem is None:
            try:
                self._writer.add_summary(summary, values["step"])
                self._writer.flush()  # a run that is killed goes on after what it wrote here
            except (tf.errors.OpError, OSError) as error:
                self._fail(error)

    def close(self) -> None:
        """Write what is left, and release the file."""
        if self.problem is None:
            try:
                self._writer.close()
            except (tf.errors.OpError, OSError) as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.problem = f"{self.folder}: no more event files: {error}"
