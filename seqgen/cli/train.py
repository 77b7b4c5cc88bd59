"""``seqgen train``: learn from tunes, text or MIDI."""

from __future__ import annotations

import enum
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from seqgen.cli.completion import corpora
from seqgen.cli.console import (
    Color,
    Debug,
    Quiet,
    Verbose,
    When,
    quiet,
    remark,
)
from seqgen.cli.network import (
    Architecture,
    Convolution,
    Dropout,
    Hidden,
    Layers,
    LogitSoftcap,
    SeqLength,
    TieEmbeddings,
    TokenKind,
    VocabSize,
)
from seqgen.errors import UsageError

__all__ = ["EXAMPLES", "train"]


class Strip(enum.StrEnum):
    numbers = "numbers"
    titles = "titles"


class Compute(enum.StrEnum):
    auto = "auto"
    plain = "plain"
    xla = "xla"
    native = "native"


EXAMPLES = """
Examples:

seqgen train tunes.abc --budget 10m

seqgen train tinyshakespeare --arch lstm

seqgen train folder-of-midi/

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
            autocompletion=corpora,
            show_default="the embedded tunes",
        ),
    ] = None,
    arch: Architecture = None,
    tokens: TokenKind = None,
    vocab_size: VocabSize = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Time for all of it, such as 90s or 5m.", show_default="5m"
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Exactly this many updates instead of a time.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Decides weights, order, dropout.", show_default="0")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Sequences a batch.", show_default="by corpus and time"),
    ] = None,
    seq_length: SeqLength = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="At its peak; it rises first, and falls to zero.",
            show_default="by corpus and time",
        ),
    ] = None,
    clip_norm: Annotated[
        float | None,
        typer.Option(help="Most the gradients' global norm may be.", show_default="1.0"),
    ] = None,
    clip_value: Annotated[
        float | None,
        typer.Option(help="Most each of the gradients' numbers may be, instead of --clip-norm."),
    ] = None,
    ema: Annotated[
        float | None,
        typer.Option(
            metavar="DECAY",
            help="Evaluate and keep a moving average of the weights, such as 0.999.",
        ),
    ] = None,
    accumulate: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Batches averaged for an update: as one so many times as large.",
            show_default="1",
        ),
    ] = None,
    dropout: Dropout = None,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment",
            help="Learn each tune in other keys too, within the corpus's keys and compass.",
            show_default="where tunes come by 12 times or more",
        ),
    ] = None,
    strip: Annotated[
        Strip | None,
        typer.Option(
            help="Learn tunes without their numbers (X:), or titles and numbers (T: and X:).",
            show_default="nothing",
        ),
    ] = None,
    layers: Layers = None,
    hidden: Hidden = None,
    tie_embeddings: TieEmbeddings = False,
    logit_softcap: LogitSoftcap = None,
    convolution: Convolution = None,
    compute: Annotated[
        Compute | None,
        typer.Option(
            help="What runs an update: TensorFlow's operations one by one (plain), or compiled "
            "into one (xla), or machine code of seqgen's own (native).",
            show_default="auto: a long run tries them, and its answer is remembered",
        ),
    ] = None,
    val_fraction: Annotated[
        float | None,
        typer.Option(
            help="Share of the corpus held back to measure with; 1 million characters at most.",
            show_default="0.1",
        ),
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
        typer.Option(
            "--output",
            "-o",
            help="The model file.",
            show_default="in checkpoints/, named after the corpus",
        ),
    ] = None,
    log_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write event files for TensorBoard here; --resume goes on there."
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of the files.", show_default="utf-8")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with an interrupted run as it was (the newest, or that of CORPUS or -o), "
            "or teach a finished model CORPUS.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a finished model.")] = False,
    export: Annotated[
        bool,
        typer.Option(
            "--export", help="End the interrupted run of CORPUS or -o: keep its best weights."
        ),
    ] = False,
    _color: Color = When.auto,
    _quiet: Quiet = False,
    _verbose: Verbose = False,
    _debug: Debug = False,
) -> None:
    """Learn from tunes, text or MIDI, and keep what was learnt in one file."""
    began = time.perf_counter() - time.process_time()  # when the interpreter started, about
    chosen = {
        "arch": arch.value if arch else None,
        "tokens": tokens.value if tokens else None,
        "vocab_size": vocab_size,
        "budget": budget,
        "steps": steps,
        "seed": seed,
        "batch_size": batch_size,
        "seq_length": seq_length,
        "learning_rate": learning_rate,
        "clip_norm": clip_norm,
        "clip_value": clip_value,
        "ema": ema,
        "accumulate": accumulate,
        "dropout": dropout,
        "augment": augment,
        "strip": strip.value if strip else None,
        "layers": layers,
        "hidden": hidden,
        "tie_embeddings": tie_embeddings or None,
        "logit_softcap": logit_softcap,
        "convolution": convolution,
        "compute": compute.value if compute and compute is not Compute.auto else None,
        "val_fraction": val_fraction,
        "validation": validation,
        "encoding": encoding,
    }
    options = {name: value for name, value in chosen.items() if value is not None}
    if steps is not None and budget is not None:
        raise UsageError("--steps and --budget exclude each other")
    if clip_norm is not None and clip_value is not None:
        raise UsageError("--clip-norm and --clip-value exclude each other")
    if val_fraction is not None and validation is not None:
        raise UsageError("--val-fraction and --validation exclude each other")
    if resume + force + export > 1:
        raise UsageError("--resume, --force and --export exclude each other")

    from seqgen.cli import runs
    from seqgen.cli.display import Display
    from seqgen.cli.running import train_to_end

    named = sources or []
    if export:
        useless = {*options} | ({"log_dir"} if log_dir else set())
        if useless:
            raise UsageError(f"--export only ends a run: drop {runs.spell(useless)}")
        runs.export(named, output)
        return
    display = Display.choose(quiet=quiet())
    timing = runs.Timing(began, display.show_seconds)
    with ExitStack() as held:
        with display.waiting():
            if resume:
                run = runs.go_on(named, output, options, checkpoint_every, log_dir, timing, held)
            else:
                run = runs.begin(
                    *(named, output, options, checkpoint_every, timing, held),
                    force=force,
                    log_dir=log_dir,
                )
        if not resume and vocab_size is not None and run.tokenizer.size < vocab_size:
            remark(
                f"--vocab-size {vocab_size}: the corpus holds no more than {run.tokenizer.size} "
                "tokens that occur often enough to be learnt"
            )
        train_to_end(run, display)
