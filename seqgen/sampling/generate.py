"""Drawing one document after another from a model, text as it becomes certain."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqgen.config import SamplingConfig
from seqgen.models.decoders import Decoder
from seqgen.sampling.filters import distribution
from seqgen.tokenization import BOUNDARY, StreamDecoder, Tokenizer

__all__ = ["continuation"]


def continuation(
    decoder: Decoder,
    tokenizer: Tokenizer,
    prompt: str,
    config: SamplingConfig,
    *,
    seed: int,
    number: int,
) -> Iterator[str]:
    """How a model goes on from a prompt, in pieces, until it ends the document.

    Args:
        prompt: the document's beginning; may be empty. It is not repeated.
        seed, number: decide the draws; ``number`` counts the samples of one seed from 0, so each
            can be drawn again alone.
    Yields:
        Text, never empty. It stops at the document's end, before ``config.stop``, or after
        ``config.max_tokens`` tokens.
    """
    rng = np.random.default_rng([seed, number])
    ids = np.concatenate([[BOUNDARY], tokenizer.encode(prompt)]).astype(np.int32)
    logits, state = decoder.prefill(ids[None], decoder.start(1))
    stream = StreamDecoder(tokenizer, errors="replace")
    stop = _Stop(config.stop)
    for _ in range(config.max_tokens):
        probabilities = distribution(logits[0], config)
        # Inverse of the cumulative distribution: one uniform number a token, whatever the filters.
        cumulative = np.cumsum(probabilities)
        drawn = np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")
        token = min(int(drawn), len(cumulative) - 1)
        if token == BOUNDARY:
            break
        if text := stop.feed(stream.feed(token)):
            yield text
        if stop.met:
            return
        logits, state = decoder.step(np.array([token], np.int32), state)
    if text := stop.feed(stream.finish()) + stop.finish():
        yield text


class _Stop:
    """Lets text through, holding back what could be the beginning of the stop text."""

    def __init__(self, stop: str | None) -> None:
        self._stop = stop
        self._held = ""
        self.met = False

    def feed(self, text: str) -> str:
        if self._stop is None:
            return text
        self._held += text
        at = self._held.find(self._stop)
        if at >= 0:
            self.met = True
            ready, self._held = self._held[:at], ""
            return ready
        # The longest end of what is held that begins the stop text is not decided yet.
        cut = max(0, len(self._held) - len(self._stop) + 1)
        while not self._stop.startswith(self._held[cut:]):
            cut += 1
        ready, self._held = self._held[:cut], self._held[cut:]
        return ready

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held
