"""``seqgen train``: learn from tunes, text or MIDI."""

from __future__ import annotations

import enum
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    say,
)
from seqgen.errors import UsageError

if TYPE_CHECKING:
    from seqgen.cli.display import Display
    from seqgen.training.events import Ended
    from seqgen.training.run import Run

__all__ = ["EXAMPLES", "train", "train_to_end"]


class Arch(enum.StrEnum):
    rnn = "rnn"
    gru = "gru"
    lstm = "lstm"
    transformer = "transformer"


class Strip(enum.StrEnum):
    numbers = "numbers"
    titles = "titles"


class Tokens(enum.StrEnum):
    auto = "auto"
    char = "char"
    abc = "abc"
    bpe = "bpe"


class Compute(enum.StrEnum):
    auto = "auto"
    plain = "plain"
    xla = "xla"


Layers = Annotated[
    int | None,
    typer.Option(min=1, help="Layers, or Transformer blocks.", show_default="by the corpus"),
]

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
    arch: Annotated[
        Arch | None,
        typer.Option(
            help="The network: recurrent (simple, GRU or LSTM), or a Transformer.",
            show_default="transformer",
        ),
    ] = None,
    tokens: Annotated[
        Tokens | None,
        typer.Option(
            help="What the network reads and writes one at a time: characters (char), ABC "
            "notation's notes, lengths and bar lines (abc), or frequent parts of words, learnt by "
            "byte-pair encoding (bpe).",
            show_default="auto: abc for tunes, events for MIDI, else char",
        ),
    ] = None,
    vocab_size: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens of bpe, at most.", show_default="by the corpus"),
    ] = None,
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
        int | None, typer.Option(min=1, help="Sequences a batch.", show_default="by the corpus")
    ] = None,
    seq_length: Annotated[
        int | None,
        typer.Option(
            min=2, help="Tokens a sequence, the reach of attention.", show_default="by the corpus"
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="At its peak; it rises first, and falls to zero.", show_default="by the corpus"
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
    dropout: Annotated[
        float | None,
        typer.Option(
            help="Share of activations dropped between layers.", show_default="by the corpus"
        ),
    ] = None,
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
    hidden: Annotated[
        int | None, typer.Option(min=1, help="Width of the network.", show_default="by the corpus")
    ] = None,
    tie_embeddings: Annotated[
        bool,
        typer.Option(
            "--tie-embeddings", help="Let a Transformer's output share its embedding's numbers."
        ),
    ] = False,
    logit_softcap: Annotated[
        float | None,
        typer.Option(
            metavar="CAP", help="Keep a Transformer's logits below this, smoothly, such as 15."
        ),
    ] = None,
    convolution: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Mix N positions before a Transformer attends, itself and those before; 0: none.",
            show_default="2",
        ),
    ] = None,
    compute: Annotated[
        Compute | None,
        typer.Option(
            help="What runs an update: TensorFlow's operations one by one (plain), or compiled "
            "into one (xla).",
            show_default="auto: a long run tries both, and its answer is remembered",
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
            show_default="checkpoints/<corpus>.safetensors",
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

    named = sources or []
    if export:
        useless = {*options} | ({"log_dir"} if log_dir else set())
        if useless:
            raise UsageError(f"--export only ends a run: drop {runs.spell(useless)}")
        runs.export(runs.model_of(named, output))
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


def train_to_end(run: Run, display: Display) -> None:
    """Run with a display, saving and ending after the update at hand on a signal.

    Raises:
        typer.Exit: after a run that was interrupted, with 128 + the signal.
    """
    from seqgen.cli.display import Display
    from seqgen.corpus.stripping import LEFT_OUT, stripped_by
    from seqgen.training.events import Ended

    ended: Ended | None = None
    with _signals() as caught, display:
        watching = display
        for event in run.events(stop=lambda: bool(caught)):
            try:
                watching.show(event)
            except OSError:  # nobody looks any more (`| head`); the model is still wanted
                watching = Display()
            if isinstance(event, Ended):
                ended = event
    model = shlex.quote(str(run.output))
    if caught and ended is not None and ended.interrupted:
        if not display.silent and ended.step == 0:
            say(f"Stopped before the first update; {model} is as it was")
        elif not display.silent:
            say(f"Stopped at step {ended.step}; go on with: seqgen train --resume -o {model}")
        raise typer.Exit(128 + caught[0])
    if not display.silent:
        if stripped := stripped_by(run.description):
            say(
                f"In these figures {LEFT_OUT[stripped]} count neither as loss nor as characters: "
                "compare them with no model of whole tunes"
            )
        say(f"The model is {model}; next: seqgen sample -m {model}")


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals that asked for an end; a second one ends at once."""
    caught: list[int] = []

    def note(number: int, _frame: Any) -> None:
        caught.append(number)
        restore()

    def restore() -> None:
        for sign, handler in before.items():
            signal.signal(sign, handler)

    names = ("SIGINT", "SIGTERM", "SIGHUP")  # SIGHUP: the terminal went away
    signs = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {sign: signal.getsignal(sign) for sign in signs}
    before = {sign: handler for sign, handler in before.items() if handler != signal.SIG_IGN}
    for sign in before:
        signal.signal(sign, note)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a reader that leaves ends the display only
    try:
        yield caught
    finally:
        restore()
