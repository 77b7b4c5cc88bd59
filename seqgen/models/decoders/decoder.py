"""What every decoder can do."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Decoder", "FloatArray", "IntArray", "State"]

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float32]
State = Any  # each decoder's own; only its decoder looks inside


class Decoder(Protocol):
    """A network that advances a batch of sequences by one token at a time."""

    def start(self, batch: int) -> State:
        """The state of ``batch`` sequences before their first token."""

    def step(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """Advance every sequence by one token.

        Args:
            ids: the last token of each sequence, (batch,) int32, 0 <= id < vocabulary.
            state: what start or the last step returned; it is used up by the call.
        Returns:
            Unnormalised logits of the next token, (batch, vocabulary) float32, and the next state.
        """

    def read(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """Advance every sequence by a stretch of text, as that many steps would, but at once.

        Args:
            ids: (batch, time) int32 with time >= 1.
            state: as for step.
        Returns:
            The logits after every token, (batch, time, vocabulary) float32, and the next state.
        """

    def prefill(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """Advance every sequence by a prompt.

        Args, returns: as for read, but only the logits after the last token, (batch, vocabulary).
        """
