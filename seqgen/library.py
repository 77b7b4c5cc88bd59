"""seqgen as a library: a model file, opened, draws and scores.

    >>> from seqgen import load
    >>> model = load("checkpoints/irish.safetensors")
    >>> tunes = model.sample(n=3, seed=7, temperature=0.8, key="Ador", form="AABB", novel=True)
    >>> model.score(tunes[0]).bits_per_char  # doctest: +SKIP
    1.43

It is what ``seqgen sample`` and ``seqgen score`` do, with the same bytes for the same seed, and
takes NumPy alone.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from seqgen import checkpoint
from seqgen.checkpoint import Card, Checkpoint
from seqgen.config import sampling
from seqgen.errors import UsageError
from seqgen.sampling.asked import asked, refuse_copies, require_together
from seqgen.sampling.recipe import Recipe
from seqgen.sampling.sampler import VALID, Sample, Sampler

if TYPE_CHECKING:
    from seqgen.sampling.likelihood import Scorer
    from seqgen.sampling.logprobs import Logprob

__all__ = ["Model", "Options", "Score", "load", "new_seed"]


class Options(TypedDict, total=False):
    """What is drawn, and how: the options of ``seqgen sample``, by their names.

    What is missing or None is what is usual for the kind of model. ``seqgen sample --help`` and
    docs/sampling.md say what each does; here ``infill``, ``grammar`` and ``json_schema`` are texts,
    not files' names.
    """

    echo: bool | None
    best_of: int | None

    # What a tune must be.
    meter: str | None
    key: str | None
    unit_length: str | None
    bars: int | None
    form: str | None
    range: str | None
    rhythm: str | None
    title: str | None
    infill: str | None
    unconstrained: bool | None

    # What it must not copy: what the model has learnt from, or these files.
    novel: bool | None
    max_shared: int | None
    corpus: Sequence[str] | None

    # What a text must be.
    regex: str | None
    grammar: str | None
    json_schema: str | dict[str, Any] | None

    # How tokens are drawn; see seqgen.config.SamplingConfig. A temperature may be "0.7..1.1".
    logit_bias: dict[str, float] | None
    repetition_penalty: float | None
    repeat_last_n: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    loop_penalty: float | None
    temperature: float | str | None
    final_temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    typical_p: float | None
    max_tokens: int | None
    stop: str | Sequence[str] | None


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
        first: int = 0,
        jobs: int | None = 1,
        **options: Unpack[Options],
    ) -> list[str]:
        """Draw ``n`` tunes, texts, or pieces of MIDI as events (``seqgen.music.remi``).

        Args:
            prompt: what each begins with.
            seed: the same seed gives the same samples; None takes a new one.
            first: number of the first of a seed's samples, from 0.
            jobs: how many processes may draw, which changes nothing but the time; None is one for
                each core, as far as so many samples are worth it.
            options: see Options.
        Returns:
            Each with its prompt, and ending in a newline.
        Raises:
            SeqgenError: what is asked for can't be; the message says what and why.
        """
        return list(self.sampler(prompt, seed=seed, jobs=jobs, **options).texts(_numbers(first, n)))

    def stream(
        self,
        prompt: str = "",
        *,
        number: int = 0,
        seed: int | None = None,
        **options: Unpack[Options],
    ) -> Iterator[str]:
        """One of the samples that ``sample`` draws, in pieces as they become certain.

        Args:
            number: which of a seed's samples, from 0.
            prompt, seed, options: see sample.
        """
        return self.sampler(prompt, seed=seed, **options).stream(_numbers(number, 1)[0])

    def sampler(
        self,
        prompt: str = "",
        *,
        seed: int | None = None,
        observe: Callable[[str, float], None] | None = None,
        jobs: int | None = 1,
        **options: Unpack[Options],
    ) -> Sampler:
        """What draws many samples with the same options; see ``sampling.sampler.Sampler``.

        Its ``samples(range(3))`` say how each has ended too.

        Args:
            observe: told of every token drawn under a grammar, and how much probability that took
                from the others.
            prompt, seed, jobs, options: see sample.
        """
        given: dict[str, Any] = {name: each for name, each in options.items() if each is not None}
        if seed is not None and seed < 0:
            raise UsageError("seed must be 0 or more")
        infill, novel = given.pop("infill", None), bool(given.pop("novel", False))
        longest, corpus = given.pop("max_shared", None), given.pop("corpus", None)
        recipe = asked(Recipe(sampling(self.card.kind)), given | {"prompt": prompt}, self.card.kind)
        require_together(
            recipe.conditions or VALID,
            infill=infill is not None,
            unconstrained=recipe.conditions is None,
            explain=observe is not None,
            novel=novel,
            best_of=recipe.best_of,
            prompted=bool(prompt) or not recipe.echo,
            limited=recipe.config.final_temperature is not None
            or bool({"max_tokens", "stop"} & given.keys()),
        )
        if infill is not None:
            recipe = replace(recipe, infill=(infill, "infill"))
        seed = new_seed() if seed is None else seed
        sampler = recipe.sampler(self.saved, seed, observe, jobs=jobs)
        refuse_copies(sampler, novel, longest, corpus)
        return sampler

    def logprobs(self, sample: Sample, count: int = 0) -> list[Logprob]:
        """How likely each token of a sample was, and which ``count`` tokens were likeliest.

        Args:
            sample: one that a sampler of this model has drawn.
        """
        from seqgen.sampling.logprobs import logprobs

        return logprobs(self.scorer, sample, count)

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


def _numbers(first: int, count: int) -> range:
    if first < 0 or count < 1:
        raise UsageError("samples are numbered from 0, and there is 1 or more")
    return range(first, first + count)
