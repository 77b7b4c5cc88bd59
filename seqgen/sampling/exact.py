"""Logits in float64, for the few tokens that lie within rounding of a border.

What a network has read must be read again for them, but seldom all of it. A Transformer sees a
certain stretch and nothing before it. A recurrent network sees everything, but less and less of it:
it goes on in float64 from a state of float32 that was remembered on the way, whose error fades. How
far it has faded is measured: reading from one state, and from another before it, differ by what is
left of the rounding between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from seqgen.models.decoders import Decoder
from seqgen.sampling.document import MARKS, Document, Logits
from seqgen.sampling.filters import FloatArray, log_softmax
from seqgen.sampling.trials import Trial

__all__ = ["STRIDE", "Exact"]

STRIDE = 4
"""Tokens from one state that is remembered to the next."""

# Tokens that are read again, at least. Short stretches come first, since most answers are sure
# after one of 8 already: of an LSTM of 1,024 units 0.9 of them.
_WINDOWS = tuple(STRIDE << doubling for doubling in range((MARKS - 1).bit_length()))
# Of 3,456 answers of four trained LSTMs the error of one in a hundred was more than 1 to 5 times
# what is reckoned below, by the network and the window, and once 18 times as much: 4e-7 of the
# logits' standard deviation, a tenth of what float32 may lack. A choice is wrong if its number lies
# in what is missing, too: one of some ten million.
_MARGIN = 4.0


class Exact:
    """A decoder in float64, and where it stands in each document.

    Args:
        build: makes the decoder.
    """

    def __init__(self, build: Callable[[], Decoder]) -> None:
        self._build = build
        self._decoder: Decoder | None = None

    def answers(self, document: Document) -> Iterator[tuple[Logits, FloatArray | None]]:
        """The logits after all that has been drawn, (1, vocabulary), nearer and nearer.

        Yields:
            Beside them the error to reckon with, (1,); None with the last, which are exact.
        """
        if self._decoder is None:
            self._decoder = self._build()
        yield from self._near(self._decoder, document)
        yield self._whole(self._decoder, document), None

    def log_share(self, before: NDArray[np.int32], trial: Trial) -> float:
        """See Trial.log_share.

        Args:
            before: the boundary and all that stands before the trial, (time,).
        """
        if self._decoder is None:
            self._decoder = self._build()
        seen = np.concatenate([before, trial.ids[:-1]]).astype(np.int32)
        logits, _ = self._decoder.read(seen[None], self._decoder.start(1))
        logs = log_softmax(logits[0, len(before) - 1 :])
        with np.errstate(divide="ignore"):  # nothing may be left
            shares = [
                np.log(np.exp(row[allowed]).sum())
                for row, allowed in zip(logs, trial.allowed, strict=True)
            ]
        return float(np.sum(shares))

    def _near(
        self, decoder: Decoder, document: Document
    ) -> Iterator[tuple[Logits, FloatArray | None]]:
        drawn, before = document.drawn, len(document.opening.ids)
        unknown = drawn + before if document.exact is None else drawn - document.exact[2]
        last: tuple[Logits, int] | None = None
        for window in _WINDOWS:
            if unknown < 3 * max(window, _WINDOWS[1]):
                return  # to read all of it is about as quick
            marks = [mark for mark in document.marks if mark.drawn <= drawn - window]
            if not marks:
                return
            mark = marks[-1]
            if last is not None and last[1] == mark.drawn:
                continue  # some have gone with what was drawn again
            state = decoder.start(1)
            decoder.put(state, 0, decoder.keep(mark.state, np.array([mark.row])))
            unseen = np.array([document.ids[mark.drawn :]], np.int32)
            logits, _ = decoder.prefill(unseen, state)
            if last is not None:
                apart = logits - last[0]
                # From rounding between the marks. What comes from before them is smaller where
                # errors fade, and where they add up, being independent, so many times as large.
                times = 1.0 + np.sqrt((before + mark.drawn) / (last[1] - mark.drawn))
                times *= _MARGIN
                yield logits, np.asarray(times * (apart.max(-1) - apart.min(-1)) / 2.0)
            last = logits, mark.drawn

    def _whole(self, decoder: Decoder, document: Document) -> Logits:
        reach, opening, ids = decoder.reach(), document.opening, document.ids
        seen = -len(opening.ids) if document.exact is None else document.exact[2]
        if reach is not None and len(ids) - seen > reach:
            # What comes before is out of sight.
            context = np.array(ids[-reach:], np.int32)
            if len(ids) < reach:
                context = np.concatenate([opening.ids, context])[-reach:]
            return decoder.last(context[None])
        if document.exact is None:
            if opening.exact is None:
                opening.exact = decoder.prefill(opening.ids[None], decoder.start(1))
            logits, primed = opening.exact
            document.exact = logits, decoder.keep(primed, np.zeros(1, np.intp)), 0
        logits, state, seen = document.exact
        if seen < len(ids):
            logits, state = decoder.prefill(np.array([ids[seen:]], np.int32), state)
        document.exact = logits, state, len(ids)
        return logits
