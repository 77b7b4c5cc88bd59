"""Samples as JSON, one object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seqgen.sampling.recipe import Recipe, fingerprint
from seqgen.sampling.sampler import Sample, Sampler

__all__ = ["Records"]


@dataclass(frozen=True, slots=True)
class Records:
    """How samples are told.

    Attributes:
        recipe: what they are drawn by.
        logprobs: how many alternatives are named for each token; None for no such list.
        stamped: whether to say the model and the options.
    """

    recipe: Recipe
    logprobs: int | None
    stamped: bool

    def line(self, sampler: Sampler, sample: Sample, own: Mapping[str, Any]) -> str:
        """A sample as a line.

        Args:
            own: what stands first: the ``id`` of what was asked.
        """
        values = {
            **own,
            "text": sample.opening + sample.text,
            "tokens": len(sample.ending.ids),
            "finish_reason": sample.ending.reason,
        }
        if self.logprobs is not None:
            from seqgen.sampling.logprobs import logprobs

            values["logprobs"] = [
                _named(token, logprob) | {"top_logprobs": [_named(*each) for each in likeliest]}
                for token, logprob, likeliest in logprobs(sampler.scorer, sample, self.logprobs)
            ]
        values |= {"seed": sampler.seed, "number": sample.number}
        if self.stamped:
            options = self.recipe.to_json()
            if self.logprobs is not None:
                options["logprobs"] = self.logprobs
            if sample.attempt:
                options["attempt"] = sample.attempt
            values |= {"model": fingerprint(sampler.saved), "options": options}
        try:
            line = json.dumps(values, ensure_ascii=False)
            line.encode()
        except UnicodeEncodeError:  # bytes that are no text came in, and JSON must stay text
            line = json.dumps(values)
        return line + "\n"


def _named(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": round(logprob, 6)}
