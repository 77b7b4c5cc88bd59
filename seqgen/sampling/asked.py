"""What a caller asks for: the options of ``seqgen sample``, by their names."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from seqgen.config import SamplingConfig
from seqgen.errors import UsageError
from seqgen.music.abc.grammar.conditions import Conditions, parse_range
from seqgen.sampling.recipe import Recipe, changed, unstamped
from seqgen.sampling.sampler import VALID, Sampler

if TYPE_CHECKING:
    from seqgen.sampling.text_grammar import TextGrammar

__all__ = ["asked", "refuse_copies", "require_together", "temperatures"]

# What may be asked for beside the fields of SamplingConfig, and of which type.
_ASKED: dict[str, type] = {"prompt": str, "best_of": int, "echo": bool, "unconstrained": bool}
_CONDITIONS: dict[str, type] = {
    "meter": str, "key": str, "unit_length": str, "rhythm": str, "title": str, "bars": int,
    "form": str,
}  # fmt: skip
_FIELDS = {"unit_length": "unit"}  # of Conditions, where they have another name
_GRAMMARS: tuple[Literal["regex", "grammar", "json_schema"], ...] = (
    "regex",
    "grammar",
    "json_schema",
)
_CALLED = {str: "a text", int: "a whole number", bool: "true or false"}


def require_together(
    conditions: Conditions,
    *,
    infill: bool,
    unconstrained: bool,
    explain: bool,
    novel: bool,
    best_of: int,
    prompted: bool,
    limited: bool,
) -> None:
    """Refuse options that contradict each other.

    Args:
        prompted: whether there is a prompt, or it is not to be repeated.
        limited: whether the temperature moves, or tokens are limited or a text ends it.
    Raises:
        UsageError: some do.
    """
    conditioned = conditions != type(conditions)()
    if unconstrained and (conditioned or infill or explain):
        raise UsageError("--unconstrained leaves no condition that could hold; drop one of them")
    if best_of > 1 and (infill or explain):
        raise UsageError("--best-of compares whole draws: no --infill and no --explain")
    if infill and (prompted or conditioned or explain):
        raise UsageError("--infill takes the tune as it stands: no prompt and no other condition")
    if novel and (infill or explain or unconstrained):
        raise UsageError("--novel draws again: no --infill, --explain or --unconstrained")
    if infill and limited:
        raise UsageError("--infill fills bars: one temperature, and no --max-tokens or --stop")


def refuse_copies(
    sampler: Sampler, novel: bool, longest: int | None, corpus: Sequence[str] | None
) -> None:
    """Let a sampler draw again what copies, where that is asked for; see ``novelty.copying``.

    Raises:
        UsageError: it is not, but what a copy is.
    """
    if novel:
        from seqgen.sampling.novelty import copying

        sampler.copies = copying(longest, corpus, sampler.saved)
    elif corpus or longest is not None:
        raise UsageError("--max-shared and --corpus say what a copy is: add --novel")


def temperatures(text: str) -> tuple[float, float | None]:
    """The first temperature and the last of ``0.7..1.1``; None for the latter of ``0.7``.

    Raises:
        UsageError: the text is neither.
    """
    first, dots, last = text.partition("..")
    try:
        return float(first), float(last) if dots else None
    except ValueError:
        raise UsageError(
            f"temperature must be a number, or two as in 0.7..1.1, not '{text}'"
        ) from None


def asked(recipe: Recipe, values: Mapping[str, Any], model_kind: str) -> Recipe:
    """A recipe with other values, as a JSON object or a program has them.

    Args:
        values: of the fields of SamplingConfig, see changed, but that ``temperature`` may be as
            ``"0.7..1.1"``; ``prompt``, ``best_of`` and ``echo``; what a tune is to be, by the
            options' names, ``unit_length`` and ``range`` among them, and ``unconstrained``; and
            ``regex``, ``grammar`` or ``json_schema``, an object or its text.
        model_kind: what the model writes; before a prompt for one of tunes may stand a stamp.
    Raises:
        UsageError: there is no such option, or it can't have that value.
    """
    given = dict(values)
    fields = [field.name for field in dataclasses.fields(SamplingConfig)]
    names = [*fields, *_ASKED, *_CONDITIONS, "range", *_GRAMMARS]
    if unknown := [name for name in given if name not in names]:
        raise UsageError(f"there is no option {unknown[0]!r}; there are {', '.join(names)}")
    for name, kind in {**_ASKED, **_CONDITIONS, "range": str}.items():
        if name in given and type(given[name]) is not kind:
            raise UsageError(f"{name} must be {_CALLED[kind]}")
    if given.get("best_of", 1) < 1:
        raise UsageError("best_of must be 1 or more")
    plain = {name: given.pop(name) for name in ("prompt", "best_of", "echo") if name in given}
    if "prompt" in plain:
        plain["prompt"] = unstamped(plain["prompt"], model_kind)
    conditions = _conditioned(recipe.conditions, given)
    grammars = [_grammar(name, given.pop(name)) for name in _GRAMMARS if name in given]
    if len(grammars) > 1:
        raise UsageError("a text is held to one of regex, grammar and json_schema")
    if "temperature" in given:  # one that moves comes whole from the line or from the command
        own = given["temperature"]
        given["temperature"], last = temperatures(own) if isinstance(own, str) else (own, None)
        given = {"final_temperature": last, **given}
    return dataclasses.replace(
        recipe,
        config=changed(recipe.config, given),
        conditions=conditions,
        grammar=grammars[0] if grammars else recipe.grammar,
        **plain,
    )


def _conditioned(conditions: Conditions | None, given: dict[str, Any]) -> Conditions | None:
    """Conditions with those that are given, which are taken out."""
    free = given.pop("unconstrained", conditions is None)
    own = {_FIELDS.get(name, name): given.pop(name) for name in _CONDITIONS if name in given}
    within = given.pop("range", None)
    if free and (own or within is not None):
        raise UsageError("unconstrained leaves no condition that could hold; drop one of them")
    if free:
        return None
    try:
        if within is not None:
            own["lowest"], own["highest"] = parse_range(within)
        return dataclasses.replace(conditions or VALID, **own)
    except UsageError as error:  # which names an option
        raise UsageError(str(error).removeprefix("--")) from error


def _grammar(kind: Literal["regex", "grammar", "json_schema"], source: object) -> TextGrammar:
    from seqgen.sampling.text_grammar import TextGrammar

    if kind == "json_schema" and isinstance(source, dict):
        source = json.dumps(source)
    if not isinstance(source, str):
        raise UsageError(f"{kind} must be a text" + " or an object" * (kind == "json_schema"))
    return TextGrammar(kind, source)
