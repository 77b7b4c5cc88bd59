"""The beginning of a tune, piece or text from weights that are still learning."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from seqgen.cli.console import printable

if TYPE_CHECKING:
    from seqgen.config import ModelConfig
    from seqgen.models.parameters import Weights
    from seqgen.sampling.constraint import Constraint
    from seqgen.sampling.event_constraint import EventConstraint
    from seqgen.tokenization import Tokenizer

__all__ = ["SHOW_SECONDS", "Preview"]

SHOW_SECONDS = 0.15  # that drawing usually takes, to be counted into a budget
MOST_SECONDS = 0.4
TEMPERATURE = 0.8
LINES, CHARACTERS = 16, 800  # are more than any panel shows


class Preview:
    """Draws from one network's weights, as they come, within a time.

    Args:
        kind: of the corpus: ``abc`` and ``midi`` are drawn under their grammar, as far as the
            vocabulary can.
    """

    def __init__(
        self,
        model: ModelConfig,
        tokenizer: Tokenizer,
        kind: str,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._model, self._tokenizer, self._kind, self._clock = model, tokenizer, kind, clock
        self._constraint: Constraint | EventConstraint | None = None
        if kind == "midi":
            from seqgen.sampling.event_constraint import EventConstraint

            self._constraint = EventConstraint(tokenizer)
        elif kind == "abc":
            from seqgen.errors import UsageError
            from seqgen.sampling.constraint import Constraint
            from seqgen.sampling.sampler import VALID

            try:
                self._constraint = Constraint(tokenizer, VALID)
            except UsageError:  # too few letters for a valid tune; what it learns can be shown
                self._constraint = None

    def draw(self, weights: Weights, number: int) -> tuple[str, str]:
        """What sample ``number`` is called, and its first lines; both safe to show.

        Of a tune the fields before its notes are left out, but for its title, metre and key, which
        are what it is called.
        """
        from seqgen.config import sampling
        from seqgen.models import decoders
        from seqgen.sampling.generate import continuation

        end = self._clock() + MOST_SECONDS
        # As long as `seqgen sample` draws: near its limit a tune would be hurried to an end.
        config = sampling(self._kind, temperature=TEMPERATURE)
        text = ""
        for piece in continuation(
            decoders.build(self._model, weights), self._tokenizer, "", config,
            seed=0, number=number, constraint=self._constraint,
        ):  # fmt: skip
            text += piece
            body = self._body(text)
            if self._clock() > end or len(body) > CHARACTERS or body.count("\n") > LINES:
                break
        name = ""
        if self._kind == "abc":
            fields = (_field(text, letter) for letter in "TMK")
            name = ", ".join(field for field in fields if field)
        return printable(name), printable(self._body(text)).strip("\n")

    def _body(self, text: str) -> str:
        if self._kind == "midi":  # a word a line would fill the panel with a few
            return " ".join(text.split())
        if self._kind != "abc":
            return text
        _, key, rest = text.partition("\nK:")
        return rest.partition("\n")[2] if key else text


def _field(text: str, letter: str) -> str:
    lines = (line for line in text.splitlines() if line.startswith(f"{letter}:"))
    return next(lines, "")[2:].strip()
