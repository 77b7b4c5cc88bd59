"""What every decoder can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Decoder", "FloatArray", "IntArray", "State", "Weights"]

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.floating]  # of the type of the decoder's weights
Weights = Mapping[str, FloatArray]
State = Any  # each decoder's own; only its decoder looks inside


class Decoder(Protocol):
    """A network that advances a batch of sequences by one token at a time.

    It computes in the type of its weights, which is float32 as they stand in a model file.
    """

    def start(self, batch: int) -> State:
        """The state of ``batch`` sequences before their first token."""

    def step(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """Advance every sequence by one token.

        Args:
            ids: the last token of each sequence, (batch,) int32, 0 <= id < vocabulary.
            state: what start or the last step returned; it is used up by the call.
        Returns:
            Unnormalised logits of the next token, (batch, vocabulary), and the next state.
        """

    def read(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """Advance every sequence by a stretch of text, as that many steps would, but at once.

        Args:
            ids: (batch, time) int32 with time >= 1.
            state: as for step.
        Returns:
            The logits after every token, (batch, time, vocabulary), and the next state.
        """

    def prefill(self, ids: IntArray, state: State) -> tuple[FloatArray, State]:
        """Advance every sequence by a prompt.

        Args, returns: as for read, but only the logits after the last token, (batch, vocabulary).
        """

    def keep(self, state: State, rows: IntArray) -> State:
        """A state of these sequences alone, copied; one may be named several times."""

    def put(self, state: State, row: int, primed: State) -> None:
        """Let a sequence of a batch go on from the state of another, which is left as it is.

        Args:
            state: of a batch.
            primed: of one sequence.
        """

    def note(self, state: State, row: int) -> Any:
        """What it takes for a sequence of a batch to come back to where it stands; see back."""

    def back(self, state: State, row: int, noted: Any) -> bool:
        """Let a sequence of a batch go back to where it was noted.

        Returns:
            Whether it did; it can't where more has been forgotten since than was noted.
        """

    def hasten(self, drawn: int, ahead: int) -> None:
        """Take the steps of several sequences by compiled code from now on, if that can be and is
        worth the while that it takes to load or compile it.

        Args:
            drawn: how many tokens have been drawn.
            ahead: how many are to be, as far as is known.
        """

    def rows(self, most: int) -> int:
        """How many sequences, of so many at most, are best drawn at once."""

    def row_bytes(self) -> int:
        """What the state of one sequence takes, about."""

    def reach(self) -> int | None:
        """How many of the last tokens decide the next one's logits; None if all of them do."""

    def last(self, ids: IntArray) -> FloatArray:
        """The logits after sequences that begin with ``ids``, where nothing goes on from there.

        Args:
            ids: (batch, time) int32 with time >= 1.
        Returns:
            (batch, vocabulary).
        """
