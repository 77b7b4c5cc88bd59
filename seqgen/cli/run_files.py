"""The files that a run writes: which they are, and that nothing else is in their place."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from seqgen.checkpoint import SUFFIX
from seqgen.cli.models import CHECKPOINTS
from seqgen.errors import CheckpointError, OutputError, UsageError

__all__ = ["claim", "model_of", "new_model", "refuse_to_replace", "require_log_dir"]


def new_model(sources: list[str], output: Path | None) -> Path:
    """The model that -o names for a new run, or that its corpus has by default.

    Raises:
        OutputError: -o is a folder.
        UsageError: -o is no name of a file.
    """
    if output is None:
        return _by_default(sources)
    if output.is_dir():
        raise OutputError(f"{output}: is a folder; name a file in it")
    return _with_suffix(output)


def model_of(sources: list[str], output: Path | None) -> Path:
    """The model that -o names, or that a corpus has by default, or the newest interrupted run's.

    Raises:
        CheckpointError: no run in checkpoints/ was interrupted.
    """
    from seqgen import checkpoint

    if output is not None:
        return output if output.is_file() else _with_suffix(output)
    if sources:
        return _by_default(sources)
    for path in checkpoint.by_age(CHECKPOINTS):
        try:
            interrupted = checkpoint.load(path).card.progress is not None
        except CheckpointError:  # its previous may show a way on
            if not checkpoint.previous(path).exists():
                raise
            interrupted = True
        if interrupted:
            return path
    raise CheckpointError(
        f"no run in {CHECKPOINTS}/ was interrupted; name a model with -o, and to teach a finished "
        "one more, a CORPUS"
    )


def claim(path: Path, held: ExitStack) -> None:
    """Lock a model file until ``held`` is closed; removes what a killed run has left beside it."""
    from seqgen.files import remove_leftovers
    from seqgen.lock import lock
    from seqgen.training.metrics import metrics_path

    held.enter_context(lock(path))
    for file in (path, metrics_path(path)):
        remove_leftovers(file)


def refuse_to_replace(path: Path, sources: list[str], *, force: bool) -> None:
    """Refuse a model file that is the corpus or, unless forced, that exists.

    Raises:
        UsageError: it is or does.
    """
    from seqgen.training.metrics import metrics_path

    for written in (path, metrics_path(path)):
        if any(written.exists() and written.samefile(file) for file in _survey(sources)[1]):
            raise UsageError(f"{written} is the corpus; name another model with -o")
    if path.exists() and not force:
        raise UsageError(
            f"{path} exists: --resume goes on with it, --force replaces it, -o names another file"
        )


def require_log_dir(log_dir: Path | None) -> None:
    """Refuse a folder for event files that can't be written in.

    Raises:
        OutputError: it can't.
    """
    from seqgen.files import require_folder

    if log_dir is not None:
        require_folder(log_dir / "events")


def _by_default(sources: list[str]) -> Path:
    return CHECKPOINTS / f"{_survey(sources)[0]}{SUFFIX}"


def _survey(sources: list[str]) -> tuple[str, list[Path]]:
    from seqgen.corpus import readers

    return readers.survey(sources)


def _with_suffix(path: Path) -> Path:
    if not path.name:
        raise UsageError(f"-o {path}: is no name of a file")
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
