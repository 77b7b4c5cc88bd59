"""A disk that is full, limited, read-only or forbidden, at each operation of a save."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqgen import checkpoint
from seqgen.errors import OutputError
from seqgen.files import remove_leftovers
from tests.durability.operations import Operation, watched
from tests.durability.test_power_loss import found, save
from tests.training.test_run import finish, interrupt, plan, resume

ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT)
MODEL = "model.safetensors"


class Failing:
    """Fails some operations, by their number from 0, and counts them."""

    def __init__(self, fails: Callable[[int], bool], number: int = errno.ENOSPC) -> None:
        self.fails, self.number, self.count, self.failed = fails, number, 0, 0

    def __call__(self, operation: Operation) -> None:
        self.count += 1
        removing = operation.kind == "unlink" and self.number != errno.EROFS
        if self.fails(self.count - 1) and not removing:  # a full disk lets files be removed
            self.failed += 1
            raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_a_save_that_fails_anywhere_leaves_the_file_before_it(
    number: int, for_good: bool, make_model: Callable[..., Path]
) -> None:
    path = make_model("rnn")
    model = checkpoint.load(path)
    path.unlink()
    save(model, path, 1)
    save(model, path, 2)
    counting = Failing(lambda _: False)
    with watched(path.parent, counting):
        save(model, path, 3)
    refused = 0
    for at in range(counting.count):
        save(model, path, 1)
        save(model, path, 2)
        with watched(
            path.parent, Failing(lambda i, at=at: i >= at if for_good else i == at, number)
        ):
            try:
                save(model, path, 3)
            except OutputError as error:
                refused += 1
                said = str(error)
                assert said == f"{path}: can't be written: {os.strerror(number).lower()}"
            else:  # only what is no part of the save proper may fail unseen
                assert found(path) == 3
        assert found(path) in (2, 3)
        assert found(checkpoint.previous(path)) in (1, 2)
        if number == errno.EROFS:
            remove_leftovers(path)  # as the next run does
        names = {file.name for file in path.parent.iterdir()}
        assert names == {path.name, checkpoint.previous(path).name}
    assert refused >= counting.count - 3


@pytest.mark.usefixtures("tensorflow")
def test_a_save_that_fails_in_the_middle_of_a_run_is_told_and_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqgen.training import run as module
    from seqgen.training.events import Noted, Saved

    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    options = {"arch": "rnn", "layers": 1, "checkpoint_every": 2}
    whole, model = tmp_path / "whole" / MODEL, tmp_path / "cut" / MODEL
    finish(plan(whole, **options))
    run = plan(model, **options)
    notes, saved = [], []
    full = False
    with watched(tmp_path / "cut", Failing(lambda _: full)):
        for event in run.events(stop=lambda: False):
            if isinstance(event, Noted):
                notes.append(event.message)
                assert checkpoint.load(model).card.progress["step"] == 4  # type: ignore[index]
            if isinstance(event, Saved):
                saved.append(event.step)
            full = 5 <= run.step < 9
    assert saved == [2, 4, 10, 12]
    assert notes == [
        f"step {step}: {model}: can't be written: no space left on device; training goes on and "
        "tries again later"
        for step in (6, 8)
    ]
    assert checkpoint.load(model).card.digest == _like(whole, model)


def _like(expected: Path, got: Path) -> str:
    """The digest of a file's weights, with all else as another file has it."""
    one, other = checkpoint.load(expected), checkpoint.load(got)
    copy = expected.with_name("copy.safetensors")
    return checkpoint.save(copy, other.card, one.weights, index=one.index).digest


@pytest.mark.usefixtures("tensorflow")
def test_after_a_save_that_failed_not_every_update_tries_again(tmp_path: Path) -> None:
    from seqgen.training.events import Noted

    run = plan(tmp_path / "cut" / MODEL, arch="rnn", layers=1, checkpoint_every=1)
    events: list[Any] = []
    with (
        watched(tmp_path / "cut", Failing(lambda _: run.step > 0)),
        pytest.raises(OutputError, match=r"can't be written: no space left on device$"),
    ):
        events.extend(run.events(stop=lambda: False))
    assert sum(isinstance(event, Noted) for event in events) == 1


@pytest.mark.usefixtures("tensorflow")
def test_a_last_save_that_fails_can_be_made_up_for(tmp_path: Path) -> None:
    options = {"arch": "rnn", "layers": 1, "checkpoint_every": 5}
    whole, model = tmp_path / "whole" / MODEL, tmp_path / "cut" / MODEL
    finish(plan(whole, **options))
    run = plan(model, **options)
    with (
        watched(tmp_path / "cut", Failing(lambda _: run.step == 12)),
        pytest.raises(OutputError, match=r"no space left.*seqgen train --resume goes on from it"),
    ):
        finish(run)
    assert checkpoint.load(model).card.progress["step"] == 10  # type: ignore[index]
    run = resume(model)
    with (
        watched(tmp_path / "cut", Failing(lambda _: run.step > 10)),
        pytest.raises(OutputError, match=r"can't be written: no space left on device$"),
    ):
        interrupt(run, at=11)
    finish(resume(model))
    assert checkpoint.load(model).card.digest == _like(whole, model)
    assert sorted(file.name for file in model.parent.iterdir()) == ["model.metrics.jsonl", MODEL]
