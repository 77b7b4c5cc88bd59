"""``seqgen replay``: draw again what a file of samples holds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqgen.cli.completion import files as files_of
from seqgen.cli.console import Debug, Quiet, Verbose, detail, put
from seqgen.cli.models import CHECKPOINTS, MODEL_VARIABLE, Model, find
from seqgen.errors import CheckpointError, InputError, SeqgenError, UsageError

if TYPE_CHECKING:
    from seqgen.checkpoint import Checkpoint
    from seqgen.sampling.recipe import Recipe, Stamp

__all__ = ["replay"]


def replay(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-", help="ABC, MIDI or JSON lines; - is stdin.", autocompletion=files_of
        ),
    ],
    model: Model = None,
    _quiet: Quiet = False,
    _verbose: Verbose = False,
    _debug: Debug = False,
) -> None:
    """Draw again what `seqgen sample` wrote, from the stamps in it: the same bytes.

    A stamp is a line %%seqgen MODEL SEED NUMBER OPTIONS before a tune, the same as a text event of
    MIDI, or the fields of a JSON object. The model is the one given, or else the one in
    checkpoints/ that the stamp is of; any other is refused.
    """
    from seqgen.files import read_bytes
    from seqgen.sampling.recipe import stamps

    data = read_bytes(file)
    midi = data.startswith(b"MThd")
    if data.lstrip()[:1] == b"{":
        for line, text in enumerate(data.split(b"\n"), 1):
            if text.strip():
                _tell(text, model, file, line)
        return
    found = list(stamps(data))[: 1 if midi else None]
    if not found:
        raise InputError("holds no stamp of seqgen, which begins with %%seqgen", path=file)
    written = False
    alike = groupby(found, lambda each: (each.model, each.seed, str(each.options)))
    for together in [list(group) for _, group in alike]:
        for payload in _draw(together, _model(model, together[0].model), midi=midi):
            put(b"\n" + payload if written else payload)
            written = True


def _draw(together: list[Stamp], saved: Checkpoint, *, midi: bool) -> Iterator[bytes]:
    """Samples that one sampler draws."""
    from seqgen.cli import destination
    from seqgen.cli.writing import payloads

    first = together[0]
    form = destination.choose(None, "mid" if midi else "abc", saved.card.kind, force=False).form
    texts = {each.number: str(each) for each in together}
    options = dict(first.options)
    attempt = _attempt(options)
    sampler = _recipe(options).sampler(saved, first.seed)
    numbers = [each.number for each in together]
    yield from payloads(sampler, numbers, form, texts.__getitem__, attempt)


def _tell(text: bytes, model: str | None, path: str, line: int) -> None:
    from seqgen.cli.prompts import MOST_LOGPROBS
    from seqgen.cli.records import Records

    try:
        values: dict[str, Any] = json.loads(text)
        digest, seed, number = values["model"], values["seed"], values["number"]
        options = dict(values["options"])
        logprobs = options.pop("logprobs", None)
        known = isinstance(digest, str) and all(type(each) is int for each in (seed, number))
        known = known and (logprobs is None or type(logprobs) is int)
    except (ValueError, TypeError, KeyError, RecursionError):
        known = False
    if not known or seed < 0 or number < 0 or not 0 <= (logprobs or 0) <= MOST_LOGPROBS:
        raise InputError(
            "is no JSON object with the model, seed, number and options of a sample",
            path=path,
            line=line,
        )
    saved = _model(model, digest)
    attempt = _attempt(options)
    recipe = _recipe(options)
    sampler = recipe.sampler(saved, seed)
    own = {"id": values["id"]} if "id" in values else {}
    records = Records(recipe, logprobs, stamped=True)
    for sample in sampler.samples([number], attempt=attempt):
        put(records.line(sampler, sample, own))


def _attempt(options: dict[str, Any]) -> int:
    """Which draw of its number it was; taken out of the options."""
    attempt = options.pop("attempt", 0)
    if type(attempt) is not int or attempt < 0:
        raise SeqgenError("the stamp's options can't be used: attempt is no number")
    return attempt


def _recipe(options: Any) -> Recipe:
    from seqgen.sampling.recipe import Recipe

    try:
        return Recipe.from_json(options)
    except UsageError as error:
        raise SeqgenError(f"the stamp's options can't be used: {error}") from error


_opened: dict[str, Checkpoint] = {}


def _model(name: str | None, digest: str) -> Checkpoint:
    """The model of a stamp, read once.

    Raises:
        CheckpointError: it is not there, or the one that is named is another.
    """
    from seqgen import checkpoint

    if digest not in _opened:
        if name is not None:
            saved = checkpoint.load(find(name))
            if not saved.card.digest.startswith(digest) or not digest:
                raise _other(digest, saved)
            _opened[digest] = saved
        else:
            _opened[digest] = _search(digest)
        detail(f"model {_opened[digest].path}")
    return _opened[digest]


def _search(digest: str) -> Checkpoint:
    from seqgen import checkpoint

    for path in checkpoint.by_age(CHECKPOINTS):
        try:
            saved = checkpoint.load(path)
        except CheckpointError as error:
            detail(str(error))
            continue
        if digest and saved.card.digest.startswith(digest):
            return saved
    raise CheckpointError(
        f"no model in {CHECKPOINTS}{os.sep} is {digest}, of which this was drawn; name it with -m "
        f"or {MODEL_VARIABLE}"
    )


def _other(digest: str, saved: Checkpoint) -> CheckpointError:
    return CheckpointError(
        f"{saved.path}: is model {saved.card.digest[:16]}, and this was drawn from {digest}"
    )
