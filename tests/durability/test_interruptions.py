"""Trainers that are killed, stopped and limited: no file is lost or torn, and there is a way on."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from seqgen import checkpoint
from tests.cli.test_train import seqgen
from tests.durability.trainers import MODEL, TINY, Trainers, trainers, wait_until

STEPS, EVERY = 900, 3


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainers]:
    with trainers(tmp_path_factory.mktemp("interruptions") / "runs") as those:
        yield those


@pytest.fixture
def those(shared: Trainers) -> Trainers:
    for file in shared.folder.iterdir():
        if file.name != "tunes.abc":
            file.unlink()
    return shared


def send(process: int, sign: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, sign)


def kill_at_random(those: Trainers, rng: np.random.Generator, every: int = EVERY) -> str:
    """Kill a run at a random moment, three times of four while it trains; what was found after."""
    before = those.step or 0
    process = those.begin(STEPS, every)
    if rng.random() < 3 / 4:
        wait_until(lambda: those.learns, process)
    time.sleep(rng.uniform(0, 0.7))
    send(process, signal.SIGKILL)
    return judge(those, those.wait(), before, every)


def judge(those: Trainers, status: int, before: int, every: int = EVERY) -> str:
    """After a kill there is a whole file that lacks less than an interval."""
    assert status in (-signal.SIGKILL, 0), those.said.read_text()
    inside = bool(those.temporaries)
    if status == 0 or those.finished:
        those.forget()  # it had ended, if not its process; the next begins anew
        return "ended"
    at = those.step  # raises where the file can't be read
    last = those.last_written
    if at is None:
        assert before == 0
        assert last <= every
        return "before the first save"
    assert at >= before
    assert at >= (last - 1) // every * every
    kept = checkpoint.previous(those.model)
    if kept.exists():
        checkpoint.load_training(kept)
    return "inside a save" if inside else "between saves"


def test_killed_at_any_moment(those: Trainers) -> None:
    rng = np.random.default_rng(0)
    assert {kill_at_random(those, rng) for _ in range(2)} - {"before the first save", "ended"}


def test_killed_inside_a_save(those: Trainers) -> None:
    kill_inside(those, 1, 2)  # half-written
    kill_inside(those, 2, 6)  # the file before it has both names
    assert those.step == EVERY


def kill_inside(those: Trainers, save: int, operation: int) -> None:
    """Kill a run ahead of a file operation of one of its saves."""
    before = those.step or 0
    those.begin(STEPS, EVERY, killed_at=[save, operation])
    status = those.wait()
    assert status == -signal.SIGKILL, those.said.read_text()
    judge(those, status, before)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_200_times(those: Trainers, tell: Callable[[str], None]) -> None:
    kills = int(os.environ.get("SEQGEN_KILLS", "200"))
    rng = np.random.default_rng()
    found: Counter[str] = Counter()
    try:
        for number in range(kills):
            if number % 4 == 0:
                if not 0 < (those.step or 0) < STEPS - 10 * EVERY:
                    those.forget()
                    kill_inside(those, 3, 1)
                kill_inside(those, int(rng.integers(1, 4)), 1 + number // 4 % 8)
                found["inside a chosen save"] += 1
            else:
                found[kill_at_random(those, rng)] += 1
    finally:
        tell(f"{found.total()} of {kills} kills without a loss: {dict(found)}")
    those.begin(STEPS, EVERY)
    assert those.wait() == 0, those.said.read_text()
    assert not those.temporaries


SIGNALS = [signal.SIGINT, signal.SIGTERM]


def stop_at_random(those: Trainers, rng: np.random.Generator, sign: signal.Signals) -> str:
    """Stop a run at a random moment, half the time twice in a row; what was found after."""
    before = those.step or 0
    process = those.begin(STEPS, EVERY)
    if rng.random() < 3 / 4:
        wait_until(lambda: those.learns, process)
    time.sleep(rng.uniform(0, 0.7))
    last = those.last_written
    send(process, sign)
    if twice := rng.random() < 1 / 2:
        time.sleep(rng.uniform(0, 0.02))
        send(process, sign)
    began = time.monotonic()
    status, said = those.wait(), those.said.read_text()
    those.slowest_end = max(those.slowest_end, time.monotonic() - began)
    assert "Traceback" not in said, said
    if status == 0 or those.finished:
        those.forget()
        return "ended"
    # What has no time for an orderly end is ended by the signal itself: a shell says the same.
    assert status in (128 + sign, -sign), said
    at = those.step or 0
    assert at >= before
    if "Stopped at step" not in said:
        return "at once" if twice else "while it began"
    assert f"Stopped at step {at}; go on with: seqgen train --resume -o {MODEL}" in said
    assert at >= last
    assert not those.temporaries
    return "saved"


def test_stopped_at_any_moment(those: Trainers) -> None:
    rng = np.random.default_rng(0)
    found = [stop_at_random(those, rng, sign) for sign in SIGNALS]
    assert "saved" in found


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_stopped_100_times(those: Trainers, tell: Callable[[str], None]) -> None:
    stops = int(os.environ.get("SEQGEN_STOPS", "100"))
    rng = np.random.default_rng()
    found: Counter[str] = Counter()
    try:
        for number in range(stops):
            found[stop_at_random(those, rng, SIGNALS[number % 2])] += 1
    finally:
        tell(
            f"{found.total()} of {stops} stops as promised: {dict(found)}; "
            f"the slowest ended after {those.slowest_end:.1f} s"
        )
    assert those.run("--resume", "-o", MODEL) == 0
    assert not those.temporaries


def test_a_second_trainer_of_a_model_is_refused_until_the_first_is_dead(those: Trainers) -> None:
    process = those.begin(100_000, 5)
    wait_until(lambda: those.learns, process)
    for arguments in (["tunes.abc", "--force", *TINY], ["--resume", "-o", MODEL]):
        other = seqgen("train", *arguments, cwd=those.folder)
        assert other.returncode == 1
        assert other.stderr == (
            f"seqgen: {MODEL}: another seqgen is training it (process {process}); wait for that "
            "to end, or name another model with -o\n"
        )
    assert "(process" in seqgen("train", "--export", "-o", MODEL, cwd=those.folder).stderr
    send(process, signal.SIGKILL)
    those.wait()
    assert (those.folder / f".{MODEL}.lock").exists()  # which means nothing now
    assert those.step is not None
    assert seqgen("train", "--export", "-o", MODEL, cwd=those.folder).returncode == 0
    names = {file.name for file in those.folder.iterdir()}
    assert names == {"tunes.abc", "m.metrics.jsonl", MODEL}


def test_after_damage_and_under_a_limit_on_files_a_run_goes_on(those: Trainers) -> None:
    """From the save before the damaged one; and past the system's own refusal of a large file."""
    those.begin(60, EVERY, killed_at=[3, 1])
    those.wait()
    size = those.model.stat().st_size
    assert those.step == 2 * EVERY
    data = bytearray(those.model.read_bytes())
    data[-1] ^= 1
    those.model.write_bytes(data)
    # A finished model is smaller.
    assert those.run("--resume", "-o", MODEL, largest=size - 1000) == 0
    said = those.said.read_text().splitlines()
    told = [line for line in said if "training goes on and tries again later" in line]
    assert "damaged" in said[0]
    assert said[0].endswith(f"going on from the save before it, at step {EVERY}")
    assert f"step {2 * EVERY}: {MODEL}: can't be written: file too large; " in told[0]
    finished = those.model.read_bytes()
    assert checkpoint.load(those.model).card.progress is None

    again = ["tunes.abc", "--force", "--steps", "30", "--checkpoint-every", "10", *TINY]
    assert those.run(*again, largest=3000) == 1
    said = those.said.read_text().splitlines()
    assert said[-1] == f"seqgen: {MODEL}: can't be written: file too large"
    assert sum("m.metrics.jsonl: no more metrics: file too large" in line for line in said) == 1
    assert those.model.read_bytes() == finished
    assert sorted(file.name for file in those.folder.iterdir()) == [
        "m.metrics.jsonl",
        MODEL,
        "tunes.abc",
    ]


def test_a_log_on_a_full_disk_costs_nothing(those: Trainers) -> None:
    """What can't be told is not told, and the exit status is that of the work."""
    assert those.run("tunes.abc", "--steps", "4", *TINY, said="/dev/full") == 0
    assert checkpoint.load(those.model).card.progress is None
    assert those.run("none.abc", "--steps", "4", *TINY, said="/dev/full") == 1
