"""``seqgen show``: what is in a model, or how a file's tunes look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqgen.cli.completion import models_or_files
from seqgen.cli.console import (
    Color,
    Debug,
    When,
    printable,
    put,
)
from seqgen.cli.models import MODEL_VARIABLE, find
from seqgen.cli.options import Encoding
from seqgen.errors import UsageError

if TYPE_CHECKING:
    from seqgen.checkpoint import Checkpoint

__all__ = ["show"]

WRITES = {"abc": "tunes in ABC notation", "text": "text", "midi": "MIDI"}


def show(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL|FILE]",
            envvar=MODEL_VARIABLE,
            autocompletion=models_or_files,
            help="A model file, or a name in checkpoints/; or a file of tunes, - for stdin.",
            show_default="the newest model there",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The whole card of a model as JSON.")
    ] = False,
    encoding: Encoding = "utf-8",
    _color: Color = When.auto,
    _debug: Debug = False,
) -> None:
    """Show a model's card, or the tunes of a file.

    A card says what a model is, what it learnt from and how well. Tunes are shown as scores where
    the terminal can show pictures, else as coloured ABC.
    """
    from seqgen import checkpoint
    from seqgen.corpus.runs import described

    if what is not None and _holds_tunes(what):
        if as_json:
            raise UsageError("--json is for models; `seqgen check --json` looks at tunes")
        from seqgen.cli.tunes import show_tunes

        show_tunes(what, encoding=encoding)
        return
    saved = checkpoint.load(find(what))
    if as_json:
        whole = {**checkpoint.card_to_json(saved.card), "index": described(saved.index)}
        put(json.dumps(whole, indent=2) + "\n")
        return
    rows = _rows(saved)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        put(printable(f"{name:<{width}}  {value}") + "\n")


def _holds_tunes(name: str) -> bool:
    if name == "-":
        return True
    path = Path(name)
    if not path.is_file():
        return False
    from seqgen.music.forms import READERS

    return path.suffix.lower() in READERS


def _rows(saved: Checkpoint) -> list[tuple[str, str]]:
    from seqgen import checkpoint
    from seqgen.corpus.stripping import LEFT_OUT, stripped_by
    from seqgen.models.parameters import count

    card = saved.card
    model, recipe, metrics, corpus = card.model, card.recipe, card.metrics, card.corpus
    heads = f", {model.heads} head{'s' * (model.heads != 1)}" if model.heads else ""
    shape = f"{model.arch}, {model.layers} x {model.hidden}{heads}, window {model.context}"
    shape += f", convolutions of {model.convolution}" if model.convolution else ""
    shape += ", tied embeddings" if model.tie_embeddings else ""
    shape += f", logits capped at {model.logit_softcap:g}" if model.logit_softcap else ""
    quality = "not evaluated yet"
    if metrics:
        quality = f"{checkpoint.quality(metrics)} at step {metrics['step']}"
        if stripped := stripped_by(corpus):
            quality += f", {LEFT_OUT[stripped]} neither counted nor predicted"
    options = (
        f"{recipe.get('steps')} steps of {recipe.get('batch_size')} x {recipe.get('seq_length')}, "
        f"learning rate {recipe.get('learning_rate')}, "
    )
    for name in ("clip_norm", "clip_value", "ema", "accumulate"):
        if recipe.get(name) is not None:
            options += f"{name.replace('_', ' ')} {recipe[name]}, "
    options += f"dropout {recipe.get('dropout')}, seed {recipe.get('seed')}, "
    options += f"computed by {recipe.get('compute', 'plain')} {recipe.get('precision')}"
    if recipe.get("augment"):
        options += ", tunes in other keys too"
    documents = corpus.get("documents")
    learnt = (
        f"{corpus.get('name')}: {documents} document{'s' * (documents != 1)}, "
        f"{corpus.get('characters')} {'events' if card.kind == 'midi' else 'characters'}"
    )
    if stripped := stripped_by(corpus):
        learnt += f", without {LEFT_OUT[stripped]}"
    rows: list[tuple[str, Any]] = [
        ("file", f"{saved.path} ({saved.path.stat().st_size / 1e6:.1f} MB, {saved.storage})"),
        ("writes", WRITES[card.kind]),
        ("architecture", shape),
        ("parameters", f"{count(model):,}"),
        ("vocabulary", f"{model.vocabulary} tokens ({card.tokenizer.scheme})"),
        ("corpus", learnt),
        ("corpus digest", corpus.get("digest")),
        ("index", _index(saved)),
        ("validation", quality),
        ("recipe", options),
        ("state", f"interrupted at step {card.progress['step']}" if card.progress else "finished"),
        ("trained with", ", ".join(f"{name} {v}" for name, v in card.versions.items())),
        ("begun", card.created),
        ("digest", card.digest),
    ]
    return [(name, str(value)) for name, value in rows]


def _index(saved: Checkpoint) -> str:
    """What there is for --novel to compare with."""
    if not saved.index:
        return "none, so that --novel needs --corpus" if saved.card.kind != "midi" else "none"
    unit = "notes" if saved.card.kind == "abc" else "characters"
    size = sum(len(each.bits) for each in saved.index) / 1e6
    each = ", and ".join(
        ("every run" if index.stride == 1 else f"one run in {index.stride}")
        + f" of {index.length} {unit}"
        for index in saved.index
    )
    return f"{each} ({size:.1f} MB)"
