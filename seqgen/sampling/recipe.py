"""All that decides a sample, as values that a file can hold: so it can be drawn again."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqgen.checkpoint import Checkpoint
from seqgen.config import SamplingConfig
from seqgen.errors import UsageError
from seqgen.music.abc.grammar.conditions import Conditions
from seqgen.sampling.sampler import VALID, Sampler

if TYPE_CHECKING:
    from seqgen.sampling.infill import Gaps
    from seqgen.sampling.text_grammar import TextGrammar

__all__ = ["Recipe", "Stamp", "changed", "fingerprint", "stamps", "unstamped"]

_MARK = "%%seqgen"
_DIGITS = 16  # of a model's digest
_STAMP = re.compile(
    rb"%%seqgen ([0-9a-f]{16}) (0|[1-9][0-9]{0,30}) (0|[1-9][0-9]{0,30}) (\{[\x20-\x7e]*\})"
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What samples of a model are drawn by, but for their seed and numbers.

    Args:
        infill: a tune with open bars and its file's name, instead of a prompt.
        prompt, conditions, grammar, best_of, echo: see Sampler.
    """

    config: SamplingConfig
    prompt: str = ""
    conditions: Conditions | None = VALID
    infill: tuple[str, str] | None = None
    grammar: TextGrammar | None = None
    best_of: int = 1
    echo: bool = True

    def sampler(
        self,
        saved: Checkpoint,
        seed: int,
        observe: Callable[[str, float], None] | None = None,
        copies: Callable[[str], bool] | None = None,
        jobs: int | None = 1,
        like: Sampler | None = None,
    ) -> Sampler:
        """What draws them; see Sampler for the arguments."""
        return Sampler(
            saved,
            self.config,
            prompt=self.prompt,
            seed=seed,
            conditions=self.conditions,
            gaps=self._gaps(),
            best_of=self.best_of,
            grammar=self.grammar,
            observe=observe,
            echo=self.echo,
            copies=copies,
            jobs=jobs,
            like=like,
        )

    def _gaps(self) -> Gaps | None:
        if self.infill is None:
            return None
        from seqgen.sampling.infill import Gaps

        return Gaps(*self.infill)

    def to_json(self) -> dict[str, Any]:
        """What is not as SamplingConfig and this class have it of themselves."""
        values: dict[str, Any] = _differences(self.config, SamplingConfig())
        if self.config.logit_bias:  # JSON has no infinity
            values["logit_bias"] = {
                token: "-inf" if value < -100 else value for token, value in self.config.logit_bias
            }
        if self.prompt:
            values["prompt"] = self.prompt
        if self.conditions != VALID:
            conditions = self.conditions
            values["conditions"] = None if conditions is None else _differences(conditions, VALID)
        if self.infill is not None:
            values["infill"] = unstamped(self.infill[0])
        if self.grammar is not None:
            values[self.grammar.kind] = self.grammar.source
        if self.best_of > 1:
            values["best_of"] = self.best_of
        if not self.echo:
            values["echo"] = False
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe that to_json gave.

        Raises:
            UsageError: it gave no such values.
        """
        rest = dict(values)
        prompt, best_of, echo = rest.pop("prompt", ""), rest.pop("best_of", 1), rest.pop("echo", 1)
        infill, asked = rest.pop("infill", None), rest.pop("conditions", {})
        grammar = None
        for kind in ("regex", "grammar", "json_schema"):
            if isinstance(source := rest.pop(kind, None), str):
                from seqgen.sampling.text_grammar import TextGrammar

                grammar = TextGrammar(kind, source)
        whole = type(best_of) is int and best_of >= 1
        if not (isinstance(prompt, str) and isinstance(infill, str | None) and whole):
            raise UsageError("prompt or infill is no text, or best_of no number")
        try:
            conditions = None if asked is None else Conditions(**asked)
        except (TypeError, AttributeError, ValueError) as error:
            raise UsageError("conditions are none") from error
        return cls(
            changed(SamplingConfig(), rest),
            prompt,
            conditions,
            None if infill is None else (infill, "the stamp's tune"),
            grammar,
            best_of,
            bool(echo),
        )


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where a sample comes from.

    Attributes:
        model: the beginning of its digest; see fingerprint.
        seed, number: of the sample.
        options: see Recipe.to_json.
    """

    model: str
    seed: int
    number: int
    options: Mapping[str, Any]

    def __str__(self) -> str:
        # Printable ASCII on one line, whatever a prompt holds.
        options = json.dumps(self.options, separators=(",", ":"))
        return f"{_MARK} {self.model} {self.seed} {self.number} {options}"


def unstamped(text: str, kind: str = "abc") -> str:
    """A tune without the stamp that may stand before it, which is no part of it.

    Args:
        kind: of the model that is to read it; one of text takes every line for text.
    """
    return text if kind != "abc" else re.sub(rf"\A(?:{_MARK} [^\n]*\n)+", "", text)


def stamps(data: bytes) -> Iterator[Stamp]:
    """The stamps in ABC or MIDI, in their order; what only looks like one is passed over."""
    for model, seed, number, text in _STAMP.findall(data):
        try:
            # What follows in a MIDI file may be printable too.
            options, _ = json.JSONDecoder().raw_decode(text.decode("ascii"))
        except (ValueError, RecursionError):
            continue
        yield Stamp(model.decode(), int(seed), int(number), options)


def fingerprint(saved: Checkpoint) -> str:
    """What a stamp calls a model."""
    return saved.card.digest[:_DIGITS]


def changed(config: SamplingConfig, values: Mapping[str, Any]) -> SamplingConfig:
    """A configuration with other values, as JSON or a program has them.

    Args:
        values: ``stop`` may be one text or a list; ``logit_bias`` is an object of numbers, or
            ``"-inf"``.
    Raises:
        UsageError: there is no such option, or it can't have that value.
    """
    names = [field.name for field in dataclasses.fields(config)]
    given = dict(values)
    if unknown := [name for name in given if name not in names]:
        raise UsageError(f"there is no option {unknown[0]!r}; there are {', '.join(names)}")
    if "stop" in given:
        stop = [given["stop"]] if isinstance(given["stop"], str) else given["stop"]
        if not isinstance(stop, list | tuple) or not all(isinstance(each, str) for each in stop):
            raise UsageError("stop must be a text or a list of texts")
        given["stop"] = tuple(stop)
    if "logit_bias" in given:
        if not isinstance(given["logit_bias"], dict):
            raise UsageError('logit_bias must be an object, as in {"z": -2}')
        try:
            pairs = given["logit_bias"].items()
            given["logit_bias"] = tuple((token, float(value)) for token, value in pairs)
        except (TypeError, ValueError) as error:
            raise UsageError('logit_bias must hold numbers or "-inf"') from error
    return dataclasses.replace(config, **given)


def _differences(config: Any, usual: Any) -> dict[str, Any]:
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != getattr(usual, field.name)
    }
