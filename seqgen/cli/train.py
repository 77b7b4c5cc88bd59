"""``seqgen train``: learn from tunes or text."""

from __future__ import annotations

import dataclasses
import enum
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqgen.cli.console import Debug, Verbose, parse_duration, say
from seqgen.cli.models import CHECKPOINTS
from seqgen.errors import CheckpointError, InputError, UsageError

if TYPE_CHECKING:
    from seqgen.checkpoint import Checkpoint
    from seqgen.corpus.documents import Corpus
    from seqgen.training.run import Ended, Run

__all__ = ["EXAMPLES", "Arch", "plan", "train", "train_to_end"]


class Arch(enum.StrEnum):
    lstm = "lstm"
    transformer = "transformer"


class Tokens(enum.StrEnum):
    auto = "auto"
    char = "char"
    abc = "abc"


Layers = Annotated[int | None, typer.Option(min=1, help="Layers, or Transformer blocks.")]

EXAMPLES = """
Examples:

seqgen train tunes.abc --budget 10m

seqgen train tinyshakespeare --arch lstm

cat *.txt | seqgen train - -o checkpoints/prose.safetensors

seqgen train --resume
"""


def train(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CORPUS]...",
            help="Files, folders, globs, - for stdin, or a collection's name; see `seqgen corpus "
            "list`.",
            show_default="the embedded tunes",
        ),
    ] = None,
    arch: Annotated[
        Arch | None, typer.Option(help="The network.", show_default="transformer")
    ] = None,
    tokens: Annotated[
        Tokens | None,
        typer.Option(
            help="What the network reads and writes one at a time: characters, or ABC notation's "
            "notes, lengths and bar lines.",
            show_default="auto, which is abc for tunes",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Time to train, such as 90s or 5m.", show_default="3m"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Exactly this many updates instead of a time.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Decides weights, order, dropout.", show_default="0")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Sequences an update.")] = None,
    seq_length: Annotated[
        int | None, typer.Option(min=2, help="Tokens a sequence, the reach of attention.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="At its peak; it rises first, and falls to zero.")
    ] = None,
    clip_norm: Annotated[
        float | None,
        typer.Option(help="Most the gradients' global norm may be.", show_default="1.0"),
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(help="Share of activations dropped between layers.")
    ] = None,
    layers: Layers = None,
    hidden: Annotated[int | None, typer.Option(min=1, help="Width of the network.")] = None,
    val_fraction: Annotated[
        float | None,
        typer.Option(help="Share of the corpus held back to measure with.", show_default="0.1"),
    ] = None,
    validation: Annotated[
        str | None, typer.Option(metavar="FILE", help="Measure with this instead.")
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(min=1, help="Updates between saves.", show_default="each evaluation"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The model file.", show_default="checkpoints/<corpus>"),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of the files.", show_default="utf-8")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on: with an interrupted run as it was, or beyond a finished one."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a finished model.")] = False,
    export: Annotated[
        bool,
        typer.Option("--export", help="End an interrupted run: keep its best weights only."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No display.")] = False,
    _verbose: Verbose = False,
    _debug: Debug = False,
) -> None:
    """Learn from tunes or text, and keep what was learnt in one file."""
    chosen = {
        "arch": arch.value if arch else None,
        "tokens": tokens.value if tokens else None,
        "budget": budget,
        "steps": steps,
        "seed": seed,
        "batch_size": batch_size,
        "seq_length": seq_length,
        "learning_rate": learning_rate,
        "clip_norm": clip_norm,
        "dropout": dropout,
        "layers": layers,
        "hidden": hidden,
        "val_fraction": val_fraction,
        "validation": validation,
        "encoding": encoding,
    }
    options = {name: value for name, value in chosen.items() if value is not None}
    if steps is not None and budget is not None:
        raise UsageError("--steps and --budget exclude each other")
    if val_fraction is not None and validation is not None:
        raise UsageError("--val-fraction and --validation exclude each other")
    if resume and force:
        raise UsageError("--resume and --force exclude each other")
    if export:
        _export(output or _only_or_newest())
        return
    if resume:
        path = output or (_default_output(sources) if sources else _only_or_newest())
        run = _resume(path, sources or [], options, checkpoint_every)
    else:
        run = plan(sources or [], output, options, checkpoint_every, force=force)
    train_to_end(run, quiet=quiet)


def train_to_end(run: Run, *, quiet: bool) -> Ended:
    """Run with a display, catching Ctrl-C and SIGTERM.

    Raises:
        typer.Exit: after a run that was interrupted, with 128 + the signal.
    """
    from seqgen.cli.display import Display
    from seqgen.training.run import Ended

    ended = None
    with _signals() as caught, Display.choose(quiet=quiet) as chosen:
        display = chosen
        for event in run.events(stop=lambda: bool(caught)):
            try:
                display.show(event)
            except BrokenPipeError:  # nobody looks any more; the model is still wanted
                display = Display()
            if isinstance(event, Ended):
                ended = event
    assert ended is not None  # the events of a run end with this one
    if caught and ended.interrupted:
        if not quiet:
            say(f"Stopped at step {ended.step}; go on with: seqgen train --resume -o {run.output}")
        raise typer.Exit(128 + caught[0])
    return ended


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals that asked for an end; a second one ends at once."""
    caught: list[int] = []

    def note(number: int, _frame: Any) -> None:
        caught.append(number)
        for sign, handler in before.items():
            signal.signal(sign, handler)

    before = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM)}
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for sign in before:
        signal.signal(sign, note)
    try:
        yield caught
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def plan(
    sources: list[str],
    output: Path | None,
    options: dict[str, Any],
    checkpoint_every: int | None,
    *,
    force: bool,
    start: Checkpoint | None = None,
) -> Run:
    from seqgen.files import require_folder

    training, held_back, resumable = _load(sources, options)
    path = output or CHECKPOINTS / f"{training.name}.safetensors"
    # Before TensorFlow loads, and before minutes are spent on what could not be kept.
    if not start:
        _refuse_to_overwrite(path, force=force)
    require_folder(path)

    from seqgen.training.plan import Wishes

    fields = {field.name for field in dataclasses.fields(Wishes)}
    wished = {name: value for name, value in options.items() if name in fields}
    if "budget" in options:
        wished["budget_seconds"] = parse_duration(options["budget"])
    wishes = Wishes(**wished, checkpoint_every=checkpoint_every)
    wishes.check()
    scheme = options.get("tokens", "auto")
    if scheme == "auto":
        scheme = "abc" if training.kind == "abc" else "char"

    from seqgen.training.runtime import import_tensorflow

    import_tensorflow()
    from seqgen.training.run import Run

    return Run.plan(
        training,
        held_back,
        scheme,
        wishes,
        path,
        description={
            "name": training.name,
            "digest": training.digest,
            "documents": len(training.documents),
            "characters": training.characters,
            "validation_digest": held_back.digest,
            "validation_characters": held_back.characters,
        },
        resumable=resumable,
        start=start,
    )


def _load(sources: list[str], options: dict[str, Any]) -> tuple[Corpus, Corpus, dict[str, Any]]:
    """Training part, validation part, and what it takes to load them again."""
    from seqgen.corpus import readers
    from seqgen.corpus.split import split

    encoding = options.get("encoding", "utf-8")
    corpus = readers.load(sources, encoding=encoding)
    resumable = {
        "sources": sources,
        "validation": options.get("validation"),
        "val_fraction": options.get("val_fraction", 0.1),
        "seed": options.get("seed", 0),
        "encoding": encoding,
    }
    if resumable["validation"] is None:
        training, held_back = split(
            corpus, fraction=resumable["val_fraction"], seed=resumable["seed"]
        )
    else:
        training = corpus
        held_back = readers.load([resumable["validation"]], encoding=encoding)
        if held_back.kind != training.kind:
            raise InputError(
                f"holds {held_back.kind}, but the corpus holds {training.kind}; measure with more "
                "of the same",
                path=resumable["validation"],
            )
    return training, held_back, resumable


def _refuse_to_overwrite(path: Path, *, force: bool) -> None:
    if not path.exists() or force:
        return
    raise UsageError(
        f"{path} exists: --resume goes on with it, --force replaces it, -o names another file"
    )


def _default_output(sources: list[str]) -> Path:
    from seqgen.corpus import readers

    return CHECKPOINTS / f"{readers.load(sources).name}.safetensors"


def _only_or_newest() -> Path:
    from seqgen.checkpoint import newest

    return newest(CHECKPOINTS)


def _export(path: Path) -> None:
    from seqgen import checkpoint

    saved = checkpoint.load(path)
    if saved.card.progress is None:
        say(f"{path} is a finished model already.")
        return
    checkpoint.save(path, dataclasses.replace(saved.card, progress=None), saved.weights)
    say(f"{path} now holds its best weights alone.")


def _resume(
    path: Path, sources: list[str], options: dict[str, Any], checkpoint_every: int | None
) -> Run:
    from seqgen import checkpoint
    from seqgen.config import TrainingConfig, from_json

    saved, memory = checkpoint.load_training(path)
    progress = saved.card.progress
    if progress is None:
        shape = {"arch", "tokens", "layers", "hidden", "seq_length"} & set(options)
        if shape:
            raise UsageError(
                f"{path} is a finished model, whose network is what it is: drop "
                f"{_spell(shape)}, or train anew with --force"
            )
        options = {"arch": saved.card.model.arch, "seq_length": saved.card.model.context, **options}
        return plan(sources, path, options, checkpoint_every, force=True, start=saved)
    if options:
        raise UsageError(
            f"--resume goes on with the run in {path} as it was begun: drop "
            f"{_spell(set(options))}, or begin anew with --force"
        )
    resumable = progress["corpus"]
    if not sources:
        sources = resumable["sources"]
        if "-" in sources:
            raise UsageError(f"{path} was learning from stdin: name the same text again")
    training, held_back, _ = _load(sources, {k: v for k, v in resumable.items() if v is not None})
    if (training.digest, held_back.digest) != (
        saved.card.corpus["digest"],
        saved.card.corpus["validation_digest"],
    ):
        raise CheckpointError(
            f"{path}: was learning from another corpus than "
            f"{' '.join(sources) or 'the embedded one'} holds now; name the same one, or begin "
            "anew with --force"
        )
    config = from_json(TrainingConfig, saved.card.recipe)
    if checkpoint_every is not None:
        config = dataclasses.replace(config, checkpoint_every=checkpoint_every)

    from seqgen.training.runtime import import_tensorflow

    import_tensorflow()
    from seqgen.training.run import Run

    return Run.resume(training, held_back, saved, memory, config)


def _spell(options: set[str]) -> str:
    return ", ".join("--" + name.replace("_", "-") for name in sorted(options))
