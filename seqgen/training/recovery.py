"""Gradients that are not finite: what a run does when updates can't be applied.

One such update is left out. After several in a row the weights themselves must be at fault, so the
run goes back to its last good state and tries again with half the rate and another part of the
corpus. The count of steps goes on, so that the run stays as long as it was promised to be.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from seqgen.training.batches import Batch, Batches

__all__ = ["BAD_UPDATES", "RETURNS", "Recovery"]

BAD_UPDATES = 5  # in a row, before going back
RETURNS = 3  # before giving up

Tensors = dict[str, NDArray[Any]]


class Recovery:
    """The last good state, and how often a run has gone back to one.

    All of it is a function of the updates so far, and is kept in an interrupted run's file, so that
    a run that is gone on with is the same run.

    Args:
        memory: what the trainer exported: the state to go back to.
        step: updates before that state.
        returns: how often the run has gone back.
        bad: updates in a row, the last ones, that were left out.
        moved: whether the run has gone back just now.
    """

    def __init__(
        self,
        memory: Tensors,
        *,
        step: int = 0,
        returns: int = 0,
        bad: int = 0,
        moved: bool = False,
    ) -> None:
        self.memory, self.step, self.returns = memory, step, returns
        self.bad, self.moved = bad, moved

    @property
    def rate_scale(self) -> float:
        """What the scheduled learning rate is multiplied by."""
        return float(0.5**self.returns)

    @property
    def exhausted(self) -> bool:
        """Whether going back has not helped as often as it is tried."""
        return self.returns > RETURNS

    def batch(self, batches: Batches, step: int) -> Batch:
        """The batch of update ``step``: after each return, from a third of an epoch further on."""
        batch = batches[step + self.returns * (batches.steps_per_epoch // 3 + 1)]
        # A carried state belongs to the text before it, which is no longer what was read last.
        return dataclasses.replace(batch, fresh=True) if self.moved else batch

    def keep(self, memory: Tensors, step: int) -> None:
        """Take a state as good."""
        self.memory, self.step = memory, step

    def goes_back(self, *, applied: bool) -> bool:
        """Count an update; whether the run must go back now to ``memory``."""
        self.bad = 0 if applied else self.bad + 1
        self.moved = False
        if self.bad == BAD_UPDATES:
            self.go_back()
        return self.moved

    def go_back(self) -> None:
        """Count a return to ``memory``."""
        self.bad, self.moved = 0, True
        self.returns += 1
