"""What ``seqgen train`` begins, goes on with or ends: from options to a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqgen.cli.console import parse_duration, say
from seqgen.cli.parts import describe, load
from seqgen.cli.run_files import claim, model_of, new_model, refuse_to_replace, require_log_dir
from seqgen.cli.tokens import learn, tokenize
from seqgen.errors import CheckpointError, InputError, UsageError

if TYPE_CHECKING:
    from seqgen.checkpoint import Checkpoint
    from seqgen.corpus.documents import Corpus
    from seqgen.corpus.runs import RunIndex
    from seqgen.training.run import Run

__all__ = ["Timing", "begin", "export", "go_on", "spell"]


@dataclasses.dataclass(frozen=True, slots=True)
class Timing:
    """What a budget of time must know besides its seconds.

    Attributes:
        began: reading of ``time.perf_counter`` when the command began.
        show_seconds: that the display takes at each evaluation.
    """

    began: float
    show_seconds: float


def begin(
    sources: list[str],
    output: Path | None,
    options: dict[str, Any],
    checkpoint_every: int | None,
    timing: Timing,
    held: ExitStack,
    *,
    force: bool,
    log_dir: Path | None = None,
) -> Run:
    """A new run; options as the command line has them, without those left to the plan.

    ``held`` takes the lock on its model file.

    Raises:
        SeqgenError: something is wrong that can be known before training; nothing was written.
    """
    path = new_model(sources, output)
    refuse_to_replace(path, sources, force=force)

    def ready() -> None:
        claim(path, held)
        refuse_to_replace(path, sources, force=force)  # another run may have made it by now

    return _plan(sources, path, options, checkpoint_every, log_dir, timing, ready)


def go_on(
    sources: list[str],
    output: Path | None,
    options: dict[str, Any],
    checkpoint_every: int | None,
    log_dir: Path | None,
    timing: Timing,
    held: ExitStack,
) -> Run:
    """The run that an interrupted one would have been, or one that begins at a finished model.

    ``held`` takes the lock on its model file.

    Raises:
        SeqgenError: as for begin; or the corpus or the options are not those of the run.
    """
    from seqgen.config import TrainingConfig, from_json

    path = model_of(sources, output)
    saved, memory = _reload(path, held)
    if saved.card.progress is None:
        return _teach(saved, sources, options, checkpoint_every, log_dir, timing)
    if options:
        raise UsageError(
            f"--resume goes on with the run in {path} as it was begun: drop {spell(options)}, "
            "or begin anew with --force"
        )
    known = saved.card.progress.get("corpus")
    if not isinstance(known, dict) or not isinstance(known.get("sources"), list):
        raise CheckpointError(f"{path}: is damaged: it does not say what it was learning from")
    if not sources:
        sources = known["sources"]
        if "-" in sources:
            raise UsageError(f"{path} was learning from stdin: name the same text again")
    training, held_back = load(sources, known)
    if (training.digest, held_back.digest) != (
        saved.card.corpus.get("digest"),
        saved.card.corpus.get("validation_digest"),
    ):
        raise CheckpointError(
            f"{path}: was learning from another corpus than "
            f"{' '.join(sources) or 'the embedded one'} holds now; name the same one, or begin "
            "anew with --force"
        )
    config = from_json(TrainingConfig, saved.card.recipe)
    if checkpoint_every is not None:
        config = dataclasses.replace(config, checkpoint_every=checkpoint_every)

    require_log_dir(log_dir)
    tokenize(training, saved.card.tokenizer)

    from seqgen.training.runtime import import_tensorflow

    import_tensorflow()
    from seqgen.training.launch import resume_run

    run = resume_run(training, held_back, saved, memory, config)
    run.log_dir = log_dir or run.log_dir
    return run


def export(sources: list[str], output: Path | None) -> None:
    """End an interrupted run: its file keeps the best weights alone."""
    from seqgen import checkpoint

    path = model_of(sources, output)
    with ExitStack() as held:
        saved, _ = _reload(path, held)
        if saved.card.progress is None:
            say(f"{path} is a finished model already.")
            return
        card = dataclasses.replace(saved.card, progress=None)
        checkpoint.save(path, card, saved.weights, index=saved.index)
    say(f"{path} now holds its best weights alone.")


def _reload(path: Path, held: ExitStack) -> tuple[Checkpoint, dict[str, Any]]:
    """A run as it was last saved and what it needs to go on, its file locked; says which save."""
    from seqgen.training.saving import reload

    if path.parent.is_dir():
        claim(path, held)
    saved, memory, note = reload(path)
    if note:
        say(note)
    return saved, memory


def spell(options: Iterable[str]) -> str:
    """Options as they are typed."""
    return ", ".join("--" + name.replace("_", "-") for name in sorted(options))


def _teach(
    start: Checkpoint,
    sources: list[str],
    options: dict[str, Any],
    checkpoint_every: int | None,
    log_dir: Path | None,
    timing: Timing,
) -> Run:
    from seqgen.corpus.stripping import stripped_by

    path, card = start.path, start.card
    if not sources:
        raise UsageError(f"{path} is a finished model: name the CORPUS to teach it, or use --force")
    network = {"arch", "layers", "hidden", "seq_length"}
    network |= {"tie_embeddings", "logit_softcap", "convolution"}
    if fixed := (network | {"tokens", "vocab_size", "strip"}) & set(options):
        raise UsageError(
            f"{path} is a finished model, whose network is what it is: drop {spell(fixed)}, or "
            "train anew with --force"
        )
    # The same division as before: what it was measured with must not become what it learns.
    division = card.corpus.get("division")
    if isinstance(division, dict):
        if changed := division.keys() & options.keys():
            raise UsageError(
                f"{path} goes on with the validation part it has: drop {spell(changed)}"
            )
        options = options | division
    options = options | {"arch": card.model.arch, "seq_length": card.model.context}
    if stripped := stripped_by(card.corpus):
        options["strip"] = stripped
    return _plan(sources, path, options, checkpoint_every, log_dir, timing, start=start)


def _plan(
    sources: list[str],
    path: Path,
    options: dict[str, Any],
    checkpoint_every: int | None,
    log_dir: Path | None,
    timing: Timing,
    ready: Callable[[], None] = lambda: None,
    *,
    start: Checkpoint | None = None,
) -> Run:
    from seqgen.files import require_folder
    from seqgen.training.plan import Wishes

    # All that can be wrong is found before TensorFlow loads and minutes are spent.
    fields = {field.name for field in dataclasses.fields(Wishes)}
    wished = {name: value for name, value in options.items() if name in fields}
    if "budget" in options:
        wished["budget_seconds"] = parse_duration(options["budget"])
    wishes = Wishes(**wished, checkpoint_every=checkpoint_every)
    wishes.check()
    if "vocab_size" in options and options.get("tokens") != "bpe":
        raise UsageError("--vocab-size is for --tokens bpe; other tokens are what the corpus holds")
    training, held_back = load(sources, options)
    if start and training.kind != start.card.kind:
        raise InputError(
            f"{start.path} writes {start.card.kind}, but the corpus holds {training.kind}"
        )
    if training.kind != "abc" and "augment" in options:
        raise UsageError(
            f"--augment and --no-augment are for tunes, and the corpus holds {training.kind}"
        )
    require_folder(path)
    ready()
    require_log_dir(log_dir)
    tokenizer = start.card.tokenizer if start else learn(training, options)
    tokenize(training, tokenizer)

    from seqgen.training.runtime import import_tensorflow

    import_tensorflow()
    from seqgen.training.launch import plan_run

    needed = ("validation", "val_fraction", "seed", "encoding", "strip")
    resumable: dict[str, Any] = {name: options[name] for name in needed if name in options}
    resumable["sources"] = sources
    run = plan_run(
        training,
        held_back,
        tokenizer,
        wishes,
        path,
        description=describe(training, held_back, options),
        resumable=resumable,
        start=start,
        index=_index(training, start),
        began=timing.began,
        show_seconds=timing.show_seconds,
    )
    run.log_dir = log_dir
    return run


def _index(training: Corpus, start: Checkpoint | None) -> tuple[RunIndex, ...]:
    """Which runs stand in what a model has learnt from when the run has ended."""
    from seqgen.corpus.runs import build, joined

    own = build(training)
    if start is None:
        return () if own is None else (own,)
    return joined(start.index, own)
