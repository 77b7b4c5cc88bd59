"""Lines, tunes and files under one or several models, in constant memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from seqgen.corpus.documents import blocks
from seqgen.corpus.stripping import strip, stripped_by
from seqgen.corpus.tunes import field, stream_tunes
from seqgen.errors import InputError, UsageError
from seqgen.files import read_bytes, stream_text
from seqgen.sampling.likelihood import Scorer, Surprise

__all__ = ["By", "Judge", "Verdict"]

By = Literal["line", "tune", "file"]
# Told, with the place where it begins, of the tokens of a line, a tune or a part of a text.
Observer = Callable[[str, int, Surprise], None]

MAX_LINE = 1 << 22  # characters
BLOCK = 1 << 16  # characters of a text that are looked at together, before an answer comes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the models think of a line, a tune, a file, or several of them.

    Attributes:
        path: as the user named it; line: where it begins, counted from 1, None for a file.
        text: the line, or the tune's title; empty for a file.
        units: characters, or events of MIDI, what a model predicts beyond them included.
        nats: -ln p under each model; tokens: that it made of it.
    """

    path: str
    line: int | None
    text: str
    units: int
    nats: tuple[float, ...]
    tokens: tuple[int, ...]

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.path,
            self.line,
            self.text,
            self.units + other.units,
            tuple(a + b for a, b in zip(self.nats, other.nats, strict=True)),
            tuple(a + b for a, b in zip(self.tokens, other.tokens, strict=True)),
        )

    @property
    def bits_per_unit(self) -> tuple[float, ...]:
        """Under each model."""
        return tuple(nats / math.log(2) / self.units for nats in self.nats)

    @property
    def perplexity(self) -> tuple[float, ...]:
        """Of a character or event under each model; what is too large for a number is cut."""
        return tuple(2.0 ** min(bits, 1023.0) for bits in self.bits_per_unit)

    @property
    def best(self) -> int:
        """The likelier model's place."""
        return self.nats.index(min(self.nats))


class Judge:
    """Models that can be compared, and what they look at at a time.

    Args:
        scorers: at least one.
        by: None for tunes of a model of tunes, else files.
    Raises:
        UsageError: the models learnt different kinds of things, or such things can't be looked at
            so.
    """

    def __init__(self, scorers: Sequence[Scorer], by: By | None = None) -> None:
        cards = [scorer.card for scorer in scorers]
        self.kind = cards[0].kind
        self.by: By = by or ("tune" if self.kind == "abc" else "file")
        self._strip = stripped_by(cards[0].corpus) if self.kind == "abc" else None
        for card in cards[1:]:
            if card.kind != self.kind:
                raise UsageError(
                    f"one model learnt {self.kind}, another {card.kind}; compare models of one kind"
                )
            if self.kind == "abc" and stripped_by(card.corpus) != self._strip:
                raise UsageError(
                    "these models learnt tunes with different lines left out (--strip), so their "
                    "figures are of different texts; compare models trained alike"
                )
        if self.kind == "midi" and self.by != "file":
            raise UsageError(f"--by {self.by} is for tunes and text, and this model learnt MIDI")
        if self.kind == "text" and self.by == "tune":
            raise UsageError("--by tune is for models of tunes, and this one learnt text")
        self._scorers = scorers
        self._observe: Observer | None = None

    def judge(
        self, path: str, *, encoding: str = "utf-8", observe: Observer | None = None
    ) -> Iterator[list[Verdict]]:
        """The verdicts on what a file holds, in order, in lists as they come together.

        Args:
            path: of a text, ABC or MIDI file, or ``"-"``.
            observe: told of every token under the first model.
        Raises:
            InputError: it can't be read, or holds nothing to look at so.
        """
        self._observe = observe
        if self.kind == "midi":
            yield [self._midi(path)]
            return
        pieces = _parts(stream_text(path, encoding=encoding))
        if self.by == "line":
            yield from self._lines(path, pieces)
        elif self.kind == "text":
            yield [self._text(path, pieces)]
        elif self.by == "tune":
            yield from self._tunes(path, pieces)
        else:
            whole = Verdict(path, None, "", 0, *[(0,) * len(self._scorers)] * 2)
            for tunes in self._tunes(path, pieces):
                whole = sum(tunes, whole)
            yield [whole]

    def document(self, text: str) -> Verdict:
        """The verdict on a whole text, a tune, or a piece of MIDI as events.

        Raises:
            InputError: it is empty.
        """
        if not text:
            raise InputError("the text is empty; there is nothing to score")
        if self.kind == "text":
            return self._text("", iter([text]))
        own = strip(text, self._strip) if self._strip else text
        (verdict,) = self._each("", [(1, "", own)], closed=True)
        events = own.count("\n") + 1
        return replace(verdict, units=events) if self.kind == "midi" else verdict

    def _lines(self, path: str, pieces: Iterator[str]) -> Iterator[list[Verdict]]:
        held, number = "", 1
        for piece in pieces:
            *lines, held = (held + piece).split("\n")
            if len(held) > MAX_LINE:
                at = number + len(lines)
                raise InputError("is too long a line; try --by file", path=path, line=at)
            numbered = list(enumerate(lines, number))
            number += len(lines)
            yield self._each(path, [(at, line, f"{line}\n") for at, line in numbered])
        if held:
            yield self._each(path, [(number, held, f"{held}\n")])

    def _tunes(self, path: str, pieces: Iterator[str]) -> Iterator[list[Verdict]]:
        none = True
        for tunes in stream_tunes(pieces, path=path):
            texts = [
                (line, field(tune, "T") or "", strip(tune, self._strip) if self._strip else tune)
                for line, tune in tunes
            ]
            none = none and not texts
            yield self._each(path, texts, closed=True)
        if none:
            raise InputError(
                "holds no tune; a tune begins with a line X:1, and --by line takes any text",
                path=path,
            )

    def _text(self, path: str, pieces: Iterator[str]) -> Verdict:
        readings = [scorer.begin() for scorer in self._scorers]
        units, line = 0, 1
        nats, tokens = np.zeros(len(readings)), np.zeros(len(readings), int)
        for block in blocks(pieces, BLOCK):
            surprises = [reading.feed(block) for reading in readings]
            nats += [each.nats.sum(dtype=float) for each in surprises]
            tokens += [len(each.ids) for each in surprises]
            if self._observe is not None:
                self._observe(path, line, surprises[0])
            line += block.count("\n")
            units += len(block)
        if not units:
            raise InputError("is empty; there is nothing to score", path=path)
        return Verdict(path, None, "", units, tuple(nats.tolist()), tuple(tokens.tolist()))

    def _midi(self, path: str) -> Verdict:
        from seqgen.corpus.scores import read_midi

        document = read_midi(read_bytes(path), path)
        if document is None:
            raise InputError("holds no notes; there is nothing to score", path=path)
        (verdict,) = self._each(path, [(1, "", document.text)], closed=True)
        return Verdict(path, None, "", document.characters, verdict.nats, verdict.tokens)

    def _each(
        self, path: str, texts: Sequence[tuple[int, str, str]], *, closed: bool = False
    ) -> list[Verdict]:
        """The verdict on each text, given with its line and what it is called."""
        surprises = [
            scorer.score([text for *_, text in texts], closed=closed) for scorer in self._scorers
        ]
        verdicts = []
        for (line, name, text), under in zip(texts, zip(*surprises, strict=True), strict=True):
            if self._observe is not None:
                self._observe(path, line, under[0])
            nats = tuple(float(each.nats.sum(dtype=float)) for each in under)
            tokens = tuple(len(each.ids) for each in under)
            verdicts.append(Verdict(path, line, name, len(text) + closed, nats, tokens))
        return verdicts


def _parts(pieces: Iterator[str]) -> Iterator[str]:
    """The same text; no piece of it is longer than BLOCK, and none waits for another."""
    for piece in pieces:
        for start in range(0, len(piece), BLOCK):
            yield piece[start : start + BLOCK]
