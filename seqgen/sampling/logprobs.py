"""How likely each token was that has been drawn, and which were likelier."""

from __future__ import annotations

from typing import NamedTuple

from seqgen.sampling.likelihood import Scorer
from seqgen.sampling.penalties import END
from seqgen.sampling.sampler import Sample
from seqgen.tokenization import BOUNDARY

__all__ = ["Logprob", "logprobs"]


class Logprob(NamedTuple):
    """A token that was drawn.

    Attributes:
        token: its text; ``<end>`` is the end of the document.
        logprob: ln p(token | all before it), as the network has it: without grammar and filters.
        likeliest: the likeliest tokens in its place with theirs, the likeliest first.
    """

    token: str
    logprob: float
    likeliest: tuple[tuple[str, float], ...]


def logprobs(scorer: Scorer, sample: Sample, count: int) -> list[Logprob]:
    """Each token of a sample, its end too.

    Args:
        scorer: of the model that has drawn it.
        count: how many of the likeliest tokens to name.
    """
    tokenizer = scorer.card.tokenizer

    def text(token: int) -> str:
        return END if token == BOUNDARY else tokenizer.decode([token])

    ids = [*sample.ending.ids, *[BOUNDARY] * (sample.ending.reason == "end")]
    read = scorer.alternatives(sample.prompt, ids, count)
    return [
        Logprob(text(token), logprob, tuple([(text(each), own) for each, own in likeliest]))
        for token, (logprob, likeliest) in zip(ids, read, strict=True)
    ]
