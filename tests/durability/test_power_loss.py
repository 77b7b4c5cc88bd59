"""A loss of power at any point of a save leaves the file before it or the new one, whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.errors import CheckpointError
from seqgen.training.saving import reload
from tests.durability.operations import Operation, after_power_loss, watched

SAVES = 4  # the last one of a run that has ended
NAME = "small.safetensors"


def save(model: checkpoint.Checkpoint, path: Path, number: int) -> None:
    """The save of a run after ``number`` steps."""
    metrics = {**model.card.metrics, "step": number}
    progress = None if number == SAVES else {"step": number}
    card = dataclasses.replace(model.card, metrics=metrics, progress=progress)
    checkpoint.save(path, card, model.weights, {"state": np.full(5, number)} if progress else None)


@pytest.fixture
def recorded(make_model: Callable[..., Path]) -> tuple[list[Operation], list[int]]:
    """The operations of a run's saves, and how many there were at the end of each."""
    path = make_model("rnn")
    model = checkpoint.load(path)
    path.unlink()
    operations: list[Operation] = []
    ends = []
    with watched(path.parent, operations.append):
        for number in range(1, SAVES + 1):
            save(model, path, number)
            ends.append(len(operations))
    # What was recorded is what happened.
    whole = next(after_power_loss(operations))
    assert whole == {file.name: file.read_bytes() for file in path.parent.iterdir()}
    return operations, ends


def folders(
    operations: list[Operation], ends: list[int], folder: Path
) -> Iterator[tuple[set[int], set[str]]]:
    """For each folder that is possible: which saves may be in the model file, and the names.

    The folder's files lie in ``folder`` meanwhile.
    """
    seen = set()
    for length in range(len(operations) + 1):
        done = sum(end <= length for end in ends)
        allowed = {done} if length in (0, *ends) else {done, done + 1}
        for files in after_power_loss(operations[:length]):
            state = frozenset(files.items()), frozenset(allowed)
            if state in seen:
                continue
            seen.add(state)
            for old in folder.iterdir():
                old.unlink()
            for name, data in files.items():
                (folder / name).write_bytes(data)
            yield allowed, set(files)


def found(path: Path) -> int:
    """The save that a model file holds; 0 if there is none."""
    if not path.exists():
        return 0
    return int(checkpoint.load(path).card.metrics["step"])


def test_every_state_loads_the_old_or_the_new(
    recorded: tuple[list[Operation], list[int]], tmp_path: Path
) -> None:
    folder = tmp_path / "after"
    folder.mkdir()
    states = 0
    for allowed, names in folders(*recorded, folder):
        path = folder / NAME
        at = found(path)
        assert at in allowed, names
        if at:
            saved, _, note = reload(path)
            assert saved.card.metrics["step"] == at
            assert note is None
        before = checkpoint.previous(path)
        if before.exists():
            assert 0 < found(before) <= at
        if allowed in ({2}, {3}):
            assert found(before) == at - 1  # the last two are kept
        states += 1
    assert states >= 45


@pytest.mark.parametrize("left_out", ["sync", "sync_folder"])
def test_without_a_sync_it_would_not(
    left_out: str, recorded: tuple[list[Operation], list[int]], tmp_path: Path
) -> None:
    """The replay sees what it is there to see."""
    operations, ends = recorded
    kept = [i for i, each in enumerate(operations) if each.kind != left_out]
    ends = [sum(i < end for i in kept) for end in ends]
    folder = tmp_path / "after"
    folder.mkdir()

    def torn() -> bool:
        for allowed, _ in folders([operations[i] for i in kept], ends, folder):
            try:
                if found(folder / NAME) not in allowed:
                    return True
            except CheckpointError:
                return True
        return False

    assert torn()


def test_a_damaged_file_leaves_the_save_before_it(make_model: Callable[..., Path]) -> None:
    path = make_model("rnn")
    model = checkpoint.load(path)
    path.unlink()
    for number in (1, 2):
        save(model, path, number)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    saved, memory, note = reload(path)
    assert note is not None
    assert "damaged" in note
    assert note.endswith("going on from the save before it, at step 1")
    assert (memory["state"] == 1).all()
    assert saved.path == path
    assert found(path) == 1
    assert not checkpoint.previous(path).exists()
    save(model, path, 2)
    assert (found(path), found(checkpoint.previous(path))) == (2, 1)
    path.write_bytes(b"")
    checkpoint.previous(path).write_bytes(b"")
    with pytest.raises(CheckpointError, match=rf"{NAME}: is not a seqgen model"):
        reload(path)


def test_the_same_file_under_both_names_is_replaced_in_one(make_model: Callable[..., Path]) -> None:
    """As a loss of power between the two leaves it: renaming one to the other does nothing."""
    path = make_model("rnn")
    model = checkpoint.load(path)
    path.unlink()
    save(model, path, 1)
    checkpoint.previous(path).hardlink_to(path)
    save(model, path, 2)
    assert (found(path), found(checkpoint.previous(path))) == (2, 1)
    assert len(list(path.parent.iterdir())) == 2


def test_another_files_previous_is_not_taken_for_ones_own(make_model: Callable[..., Path]) -> None:
    path = make_model("rnn")
    model = checkpoint.load(path)
    path.rename(checkpoint.previous(path))
    save(model, path, 1)
    assert [file.name for file in path.parent.iterdir()] == [NAME]
