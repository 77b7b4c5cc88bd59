"""What stands before a document that a model does not write itself, and how it reads a prompt."""

from __future__ import annotations

from seqgen.checkpoint import Card
from seqgen.corpus.stripping import split_heading, stripped_by, with_heading
from seqgen.errors import UsageError

__all__ = ["Headings"]


class Headings:
    """Of the documents of one model.

    Args:
        card: the model's.
        title: that a tune is to have; may be empty.
    Attributes:
        strip: what was left out of the tunes that it has learnt from; None for nothing.
    """

    def __init__(self, card: Card, title: str) -> None:
        self._kind, self._title = card.kind, title
        self.strip = stripped_by(card.corpus) if card.kind == "abc" else None

    def prepared(self, prompt: str) -> str:
        """A prompt as the model has learnt to read it.

        Raises:
            UsageError: it has another title.
        """
        if self._kind == "midi":
            return "".join(f"{word}\n" for word in prompt.split())
        if self.strip == "titles" and self._title:
            own = split_heading(prompt, self.strip)[1]
            if own not in ("", f"T:{self._title}\n"):
                raise UsageError("the prompt has another title than --title asks for")
        elif self._title and not prompt:
            # The title is whatever it is, so the network may as well read it as given.
            return f"X:1\nT:{self._title}\n"
        return prompt

    def split(self, prompt: str, number: int) -> tuple[str, str]:
        """What a tune begins with that the model does not write, and the rest of the prompt.

        Args:
            number: of the sample, from 0.
        """
        if self.strip is None:
            return "", prompt
        whole = with_heading(prompt, self.strip, number=number + 1, title=self._title)
        *heading, rest = split_heading(whole, self.strip)
        return "".join(heading), rest
