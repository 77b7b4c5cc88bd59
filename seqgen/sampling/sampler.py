"""A model made ready to draw from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from seqgen.checkpoint import Checkpoint
from seqgen.config import SamplingConfig
from seqgen.errors import InputError, SeqgenError, UsageError
from seqgen.models import decoders
from seqgen.music.abc.grammar.conditions import Conditions
from seqgen.sampling.constraint import Constraint
from seqgen.sampling.generate import Drawing, Ending
from seqgen.sampling.guide import Grammatical
from seqgen.sampling.headings import Headings
from seqgen.sampling.opened import Opened
from seqgen.sampling.penalties import biases

if TYPE_CHECKING:
    from seqgen.sampling.infill import Gaps
    from seqgen.sampling.likelihood import Scorer
    from seqgen.sampling.text_grammar import TextGrammar

__all__ = ["TRIES", "VALID", "Sample", "Sampler"]

TRIES = 50
"""Draws of a sample, before giving up, that copy the corpus."""

_ROWS = 64  # samples that are drawn at once, at most
_STATE_BYTES = 1 << 28  # that they may take together
_MEANWHILE = 8  # draws; they take about as long as a worker takes to start

VALID = Conditions()
"""Any valid tune."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample that has ended.

    Attributes:
        number: of a seed's samples, from 0.
        opening: what it begins with that was not drawn.
        text: what was drawn.
        prompt: what the model read before it.
        ending: the tokens that were drawn, and why no more.
        attempt: which draw of the number it is, from 0.
    """

    number: int
    opening: str
    text: str
    prompt: str
    ending: Ending
    attempt: int = 0


class Sampler:
    """Samples of one model, one set of options, one prompt and one seed.

    Args:
        saved: the model.
        config: how tokens are drawn.
        prompt: what every sample begins with; may be empty.
        seed: with a sample's number, decides it.
        conditions: what a tune must be beyond valid; None lets a model of tunes write what it will.
        gaps: a tune with bars left open, which every sample fills; instead of a prompt.
        best_of: how many are drawn for each sample, which is the one of them that has the highest
            mean log-likelihood a token.
        grammar: what a text that is drawn must be.
        observe: told of every token drawn under the grammar; see ``Drawing``.
        echo: whether a sample's text has the prompt before it.
        copies: whether a text is a copy of the corpus, and so to be drawn again.
        jobs: how many processes may draw; 1 is this one alone, None as many as there are cores and
            it is worth. Who observes, bars that are filled and one sample have this process; in
            others ``copies`` must be one that can be pickled.
        like: another of the same model, whose parts serve again, its processes too; ``attempts`` is
            one for both.
    Attributes:
        attempts: of the numbers that were drawn again, which draw was the first that is no copy.
        begun: called whenever something has been drawn: what was asked for can be.
    Raises:
        UsageError: the model writes text or MIDI, and more than a valid tune is asked of it, or
            tunes or MIDI, and there is a grammar; or its vocabulary can't spell such a tune, or
            lacks a token that is to have a bias; or no text meets the grammar; or jobs are below 1.
    """

    def __init__(
        self,
        saved: Checkpoint,
        config: SamplingConfig,
        *,
        prompt: str,
        seed: int,
        conditions: Conditions | None = VALID,
        gaps: Gaps | None = None,
        best_of: int = 1,
        grammar: TextGrammar | None = None,
        observe: Callable[[str, float], None] | None = None,
        echo: bool = True,
        copies: Callable[[str], bool] | None = None,
        jobs: int | None = 1,
        like: Sampler | None = None,
    ) -> None:
        self.copies = copies
        self._same = partial(
            Sampler, config=config, prompt=prompt, seed=seed, conditions=conditions,
            best_of=best_of, grammar=grammar, echo=echo,
        )  # fmt: skip
        if jobs is not None and jobs < 1:
            raise UsageError("jobs must be 1 or more")
        self._jobs: int | None = jobs if like is None else like._jobs
        self.attempts: dict[int, int] = {} if like is None else like.attempts
        self.begun: Callable[[], None] = (lambda: None) if like is None else like.begun
        self.saved, self.config, self.seed, self._echo = saved, config, seed, echo
        self._gaps, self.observe, self._best_of = gaps, observe, best_of
        self._opened: Opened = Opened(saved) if like is None else like._opened
        # What is wrong is known before any output.
        biases(config.logit_bias, saved.card.tokenizer)
        if saved.card.kind == "midi" and config.stop:
            raise UsageError("this model writes MIDI, which ends by itself; drop --stop")
        self._headings = Headings(saved.card, conditions.title if conditions is not None else "")
        self._constraint: Constraint | None = None
        self._grammar: Grammatical | None = None
        if grammar is not None and saved.card.kind != "text":
            raise UsageError(
                "this model writes music, which has a grammar of its own; --regex, --grammar and "
                "--json-schema are for models of text"
            )
        if saved.card.kind == "midi":
            if conditions != VALID or gaps is not None:
                raise UsageError(
                    "this model writes MIDI, always valid; options for tunes are for models of ABC"
                )
            self._grammar = self._opened.events()
        elif saved.card.kind != "abc":
            if conditions != VALID or gaps is not None or observe is not None:
                raise UsageError("this model writes text, which has no metre, key or bars")
            if grammar is not None:
                self._grammar = self._opened.text(grammar, config.max_tokens)
        elif conditions is not None:
            if (
                self._headings.strip == "titles"
            ):  # the heading says it, and the vocabulary need not spell it
                conditions = replace(conditions, title="")
            heading = self._headings.split("", 0)[0]
            self._constraint = self._grammar = self._opened.constraint(conditions, heading)
        self.prompt = self._headings.prepared(prompt)
        self._decoder = self._opened.decoder
        self._drawing = Drawing(
            self._decoder, saved.card.tokenizer, self._headings.split(self.prompt, 0)[1], config,
            seed=seed, length=self._opened.mean_length, constraint=self._grammar, observe=observe,
            exact=partial(decoders.build_exact, saved.card.model, saved.weights),
        )  # fmt: skip

    def stream(self, number: int) -> Iterator[str]:
        """Sample ``number``, counted from 0, the prompt first, in pieces as it is drawn."""
        for _, piece in self.pieces([number]):
            yield piece

    def pieces(self, numbers: Sequence[int], *, attempt: int = 0) -> Iterator[tuple[int, str]]:
        """Some samples, each after the other, in pieces with their numbers, as they are drawn.

        Many are drawn at once; each is the same as alone. The best of several is one piece, and so
        is what another process has drawn.

        Args:
            attempt: draws the same numbers otherwise.
        """
        if self._gaps is not None and self._constraint is not None:
            for number in numbers:
                yield number, self._gaps.fill(
                    self._decoder, self.saved.card.tokenizer, self._constraint, self.config,
                    seed=self.seed, number=number, strip=self._headings.strip, begun=self.begun,
                )  # fmt: skip
            return
        if self._best_of > 1 or self.copies is not None or self._workers(len(numbers)):
            for sample in self.samples(numbers, attempt=attempt):
                for text in filter(None, (sample.opening, sample.text)):
                    yield sample.number, text
            return
        begun = -1
        for place, text in self._drawn([(number, attempt) for number in numbers]):
            while begun < place:
                begun += 1
                if opening := self._opening(self.prompt, numbers[begun]):
                    yield numbers[begun], opening
            if text:
                yield numbers[place], text

    def samples(
        self, numbers: Sequence[int], prompts: Sequence[str] | None = None, *, attempt: int = 0
    ) -> Iterator[Sample]:
        """Some samples, each when it has ended, in their order; no bars are filled.

        Args:
            prompts: what each begins with, where that is not the same.
            attempt: draws the same numbers otherwise.
        Raises:
            SeqgenError: all that was drawn copies the corpus; or a process that drew has ended.
        """
        if not (workers := self._workers(len(numbers))):
            yield from self._own(numbers, prompts, attempt)
            return
        here, crew = 0, self._opened.crew(self._jobs)
        if crew.start(workers):
            here = min(max(1, _MEANWHILE // self._best_of), len(numbers) // (workers + 1))
            yield from self._own(numbers[:here], prompts and prompts[:here], attempt)
        make = partial(self._same, copies=self.copies)
        for sample in crew.draw(make, numbers[here:], prompts and prompts[here:], attempt):
            self.begun()
            if self.copies is not None and sample.attempt:
                self.attempts[sample.number] = sample.attempt
            yield sample

    def _workers(self, samples: int) -> int:
        """How many other processes are to draw so many samples; 0 for none."""
        if self.observe is not None or self._jobs == 1 or samples == 1:
            return 0
        return self._opened.crew(self._jobs).size(samples, samples * self._best_of)

    def _own(
        self, numbers: Sequence[int], prompts: Sequence[str] | None, attempt: int
    ) -> Iterator[Sample]:
        """See ``samples``; drawn by this process."""
        drawn = self._samples(numbers, prompts, attempt)
        if self.copies is None:
            yield from drawn
            return
        for place, found in enumerate(drawn):
            sample, own = found, None if prompts is None else [prompts[place]]
            whole = self.prompt if own is None else self._headings.prepared(own[0])
            tries = attempt
            while self.copies(self._judged(sample, whole)):
                tries += 1
                if tries - attempt == TRIES:
                    raise SeqgenError(
                        f"{TRIES} draws of sample {sample.number} copied the corpus; allow more "
                        "with --max-shared, or raise --temperature"
                    )
                sample = next(self._samples([sample.number], own, tries))
            if tries:
                self.attempts[sample.number] = tries
            yield replace(sample, attempt=tries)

    def _judged(self, sample: Sample, prompt: str) -> str:
        """What must not be a copy: a whole tune, or the text after the prompt."""
        if self.saved.card.kind == "text":
            return sample.text
        return "".join(self._headings.split(prompt, sample.number)) + sample.text

    def _samples(
        self, numbers: Sequence[int], prompts: Sequence[str] | None, attempt: int
    ) -> Iterator[Sample]:
        attempts = range(attempt * self._best_of, (attempt + 1) * self._best_of)
        keys = [(number, each) for number in numbers for each in attempts]
        prepared = None
        if prompts is not None:
            prepared = [self._headings.prepared(each) for each in prompts for _ in attempts]
        endings: dict[int, Ending] = {}

        def ended(place: int, ending: Ending) -> None:
            endings[place] = ending
            self._opened.drawn += len(ending.ids)
            self._opened.ended += 1

        texts: list[str] = []
        parts: list[str] = []
        for place, text in self._drawn(keys, prepared, ended):
            parts.append(text)
            if text:
                continue
            texts.append("".join(parts))
            parts = []
            if len(texts) < self._best_of:
                continue
            whole = self.prompt if prepared is None else prepared[place]
            prompt = self._headings.split(whole, 0)[1]
            best = self._likeliest(texts, prompt) if self._best_of > 1 else 0
            ending = [endings.pop(place + 1 + back) for back in range(-self._best_of, 0)][best]
            number = keys[place][0]
            opening = self._opening(whole, number)
            yield Sample(number, opening, texts[best], prompt, ending, attempt)
            texts = []

    def _drawn(
        self,
        keys: Sequence[tuple[int, int]],
        prompts: Sequence[str] | None = None,
        ended: Callable[[int, Ending], None] | None = None,
    ) -> Iterator[tuple[int, str]]:
        """What is drawn after the prompt: see ``Drawing.samples``, but one after the other."""
        fitting = _STATE_BYTES // self._decoder.row_bytes()
        rows = max(1, self._decoder.rows(min(_ROWS, len(keys), fitting)))
        if self.observe is not None:  # it is told of one sample after the other
            rows = 1

        def heading(place: int) -> str:
            prompt = self.prompt if prompts is None else prompts[place]
            return self._headings.split(prompt, keys[place][0])[0]

        rests = None
        if prompts is not None:
            rests = [self._headings.split(each, 0)[1] for each in prompts]
        drawn = self._drawing.samples(keys, rows=rows, heading=heading, ended=ended, prompts=rests)
        current = 0
        # What others have drawn while the current one is not at its end.
        ahead: dict[int, list[str]] = {}
        try:
            for place, text in drawn:
                self.begun()
                if place != current:
                    ahead.setdefault(place, []).append(text)
                    continue
                yield place, text
                ended_here = not text
                while ended_here:
                    current += 1
                    texts = ahead.pop(current, [])
                    ended_here = bool(texts) and not texts[-1]
                    yield from ((current, each) for each in texts)
        # A prompt that can't be gone on from is no output: nothing has been drawn before this.
        except InputError as error:
            added = "".join(self._headings.split(self.prompt, keys[0][0])).count("\n")
            line = None if error.line is None else error.line - added + self.prompt.count("\n")
            raise InputError(error.message, line=line, column=error.column) from error

    def _likeliest(self, candidates: Sequence[str], prompt: str) -> int:
        """The one with the highest mean log-likelihood a token, its prompt and end included."""
        # Prose is cut where its length is up; what ends is judged by its end too.
        closed = self.saved.card.kind != "text"
        surprises = self.scorer.score([prompt + each for each in candidates], closed=closed)
        means = [each.nats.mean() if len(each.nats) else np.inf for each in surprises]
        return int(np.argmin(means))

    @property
    def scorer(self) -> Scorer:
        """Of the same model."""
        return self._opened.scorer

    def _opening(self, prompt: str, number: int) -> str:
        """What a sample's text has before what is drawn."""
        return "".join(self._headings.split(prompt, number)) if self._echo or not prompt else ""

    def texts(self, numbers: Sequence[int], *, attempt: int = 0) -> Iterator[str]:
        """Some samples, each as a whole that ends in a newline; see ``pieces``."""
        waiting, parts = iter(numbers), list[str]()
        current = next(waiting, None)
        for number, piece in self.pieces(numbers, attempt=attempt):
            while number != current:
                yield _closed(parts)
                parts, current = [], next(waiting)
            parts.append(piece)
        while current is not None:
            yield _closed(parts)
            parts, current = [], next(waiting, None)

    def hasten(self, samples: int) -> None:
        """Go over to compiled code if that is worth it, before so many samples; see Decoder.hasten.

        They are expected to be as long as those that have been drawn from the model.
        """
        opened = self._opened
        mean = opened.drawn / max(1, opened.ended)
        self._decoder.hasten(opened.drawn, round(mean * samples * self._best_of))

    def text(self, number: int, *, attempt: int = 0) -> str:
        """Sample ``number`` as a whole that ends in a newline; see ``pieces``."""
        return next(self.texts([number], attempt=attempt))


def _closed(parts: list[str]) -> str:
    text = "".join(parts)
    return text if text.endswith("\n") else text + "\n"
