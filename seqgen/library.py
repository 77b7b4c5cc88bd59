"""seqgen as a library: a model file, opened, draws and scores.

    >>> from seqgen import load
    >>> model = load("checkpoints/irish.safetensors")
    >>> tunes = model.sample(n=3, seed=7, temperature=0.8)
    >>> model.score(tunes[0]).bits_per_char  # doctest: +SKIP
    1.43

It is what ``seqgen sample`` and ``seqgen score`` do, with the same bytes for the same seed, and
takes NumPy alone.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, TypedDict, Unpack

from seqgen import checkpoint
from seqgen.checkpoint import Card, Checkpoint
from seqgen.config import sampling
from seqgen.sampling.sampler import VALID, Sampler

if TYPE_CHECKING:
    from seqgen.music.abc.grammar.conditions import Conditions
    from seqgen.sampling.infill import Gaps
    from seqgen.sampling.likelihood import Scorer
    from seqgen.sampling.text_grammar import TextGrammar

__all__ = ["Model", "Options", "Score", "load", "new_seed"]


class Options(TypedDict, total=False):
    """How tokens are drawn: see ``seqgen.config.SamplingConfig``.

    What is missing or None is what is usual for the kind of model.
    """

    logit_bias: tuple[tuple[str, float], ...]
    repetition_penalty: float
    repeat_last_n: int
    presence_penalty: float
    frequency_penalty: float
    loop_penalty: float | None
    temperature: float
    final_temperature: float | None
    top_k: int
    top_p: float
    min_p: float | None
    typical_p: float
    max_tokens: int | None
    stop: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a text is.

    Attributes:
        nats: -ln p of the whole.
        units: characters, or events of MIDI; the end of a tune or piece counts as one.
        tokens: that the model made of it.
    """

    nats: float
    units: int
    tokens: int

    @property
    def bits_per_char(self) -> float:
        """Per character, or per event of MIDI."""
        return self.nats / math.log(2) / self.units

    @property
    def perplexity(self) -> float:
        """Of a character, or an event of MIDI."""
        return math.exp(self.nats / self.units)


class Model:
    """A model file, read.

    Attributes:
        saved: its card, its weights and where it lies.
    """

    def __init__(self, saved: Checkpoint) -> None:
        self.saved = saved

    @property
    def card(self) -> Card:
        """What is known of the model besides its weights."""
        return self.saved.card

    def sample(
        self,
        prompt: str = "",
        n: int = 1,
        *,
        seed: int | None = None,
        conditions: Conditions | None = VALID,
        grammar: TextGrammar | None = None,
        **options: Unpack[Options],
    ) -> list[str]:
        """Draw ``n`` tunes, texts, or pieces of MIDI as events (``seqgen.music.remi``).

        Args:
            prompt: what each begins with.
            seed: the same seed gives the same samples; None takes a new one.
            conditions: what a tune must be beyond valid; None lets a model of tunes write what it
                will.
            grammar: what a text must be after the prompt; needs the extra ``constrain``.
        Returns:
            Each with its prompt, and ending in a newline.
        Raises:
            SeqgenError: what is asked for can't be; the message says what and why.
        """
        sampler = self.sampler(
            prompt=prompt, seed=seed, conditions=conditions, grammar=grammar, **options
        )
        return list(sampler.texts(range(n)))

    def stream(
        self,
        prompt: str = "",
        *,
        number: int = 0,
        seed: int | None = None,
        conditions: Conditions | None = VALID,
        grammar: TextGrammar | None = None,
        **options: Unpack[Options],
    ) -> Iterator[str]:
        """One of the samples that ``sample`` draws, in pieces as they become certain.

        Args:
            number: which of a seed's samples, from 0.
            prompt, seed, conditions, grammar, options: see sample.
        """
        sampler = self.sampler(
            prompt=prompt, seed=seed, conditions=conditions, grammar=grammar, **options
        )
        return sampler.stream(number)

    def sampler(
        self,
        *,
        prompt: str = "",
        seed: int | None = None,
        conditions: Conditions | None = VALID,
        gaps: Gaps | None = None,
        best_of: int = 1,
        grammar: TextGrammar | None = None,
        observe: Callable[[str, float], None] | None = None,
        **options: Unpack[Options],
    ) -> Sampler:
        """What draws many samples with the same options; see ``sampling.sampler.Sampler``."""
        return Sampler(
            self.saved,
            sampling(self.card.kind, **options),
            prompt=prompt,
            seed=new_seed() if seed is None else seed,
            conditions=conditions,
            gaps=gaps,
            best_of=best_of,
            grammar=grammar,
            observe=observe,
        )

    @cached_property
    def scorer(self) -> Scorer:
        """What scores many texts; see ``sampling.likelihood.Scorer``."""
        from seqgen.sampling.likelihood import Scorer

        return Scorer(self.saved)

    def score(self, text: str) -> Score:
        """How likely a text, a tune or a piece (as events) is, as ``seqgen score`` counts it.

        Raises:
            InputError: it is empty.
        """
        from seqgen.sampling.scoring import Judge

        verdict = Judge([self.scorer]).document(text)
        return Score(verdict.nats[0], verdict.units, verdict.tokens[0])


def load(path: str | PathLike[str]) -> Model:
    """Open a model file.

    Raises:
        CheckpointError: it is missing, damaged, or none of ours.
    """
    return Model(checkpoint.load(path))


def new_seed() -> int:
    """A seed for who does not care."""
    return secrets.randbelow(1 << 32)
