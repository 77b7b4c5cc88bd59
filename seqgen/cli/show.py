"""``seqgen show``: what is in a model file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqgen.cli.console import Debug, printable
from seqgen.cli.models import find

if TYPE_CHECKING:
    from seqgen.checkpoint import Checkpoint

__all__ = ["show"]


def show(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="A model file, or a name in checkpoints/.",
            show_default="the newest there",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole card as JSON.")] = False,
    _debug: Debug = False,
) -> None:
    """Show a model's card: what it is, what it learnt from and how well."""
    from seqgen import checkpoint

    saved = checkpoint.load(find(model))
    if as_json:
        typer.echo(json.dumps(checkpoint.card_to_json(saved.card), indent=2))
        return
    rows = _rows(saved)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        typer.echo(printable(f"{name:<{width}}  {value}"))


def _rows(saved: Checkpoint) -> list[tuple[str, str]]:
    from seqgen.models.parameters import count

    card = saved.card
    model, recipe, metrics, corpus = card.model, card.recipe, card.metrics, card.corpus
    heads = f", {model.heads} heads" if model.heads else ""
    shape = f"{model.arch}, {model.layers} x {model.hidden}{heads}, window {model.context}"
    quality = "not evaluated yet"
    if metrics:
        quality = (
            f"{metrics['bits_per_char']:.3f} bits per character "
            f"({metrics['nats_per_char']:.3f} nats) at step {metrics['step']}"
        )
    options = (
        f"{recipe.get('steps')} steps of {recipe.get('batch_size')} x {recipe.get('seq_length')}, "
        f"learning rate {recipe.get('learning_rate')}, clip norm {recipe.get('clip_norm')}, "
        f"dropout {recipe.get('dropout')}, seed {recipe.get('seed')}"
    )
    learnt = (
        f"{corpus.get('name')}: {corpus.get('documents')} documents, "
        f"{corpus.get('characters')} characters"
    )
    rows: list[tuple[str, Any]] = [
        ("file", f"{saved.path} ({saved.path.stat().st_size / 1e6:.1f} MB)"),
        ("writes", "tunes in ABC notation" if card.kind == "abc" else "text"),
        ("architecture", shape),
        ("parameters", f"{count(model):,}"),
        ("vocabulary", f"{model.vocabulary} tokens ({card.tokenizer.scheme})"),
        ("corpus", learnt),
        ("corpus digest", corpus.get("digest")),
        ("validation", quality),
        ("recipe", options),
        ("state", f"interrupted at step {card.progress['step']}" if card.progress else "finished"),
        ("trained with", ", ".join(f"{name} {v}" for name, v in card.versions.items())),
        ("begun", card.created),
        ("digest", card.digest),
    ]
    return [(name, str(value)) for name, value in rows]
