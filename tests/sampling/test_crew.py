"""Samples drawn by several processes: the same, and the processes end with whoever asked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seqgen import load
from seqgen.errors import SeqgenError, UsageError
from seqgen.library import Options
from seqgen.models.networks.native import can_draw
from seqgen.sampling import crew
from seqgen.sampling.crew import _BEGIN, Crew, _errands
from tests.support import TUNES, seqgen

MakeModel = Callable[..., Path]

pytestmark = pytest.mark.skipif(shutil.which("ps") is None, reason="looks for processes")


@pytest.fixture
def folder(make_model: MakeModel) -> Path:
    """A folder with checkpoints/: models of text, MIDI and tunes, the last of them the newest."""
    for at, each in enumerate(
        [
            make_model("transformer", name="prose", kind="text"),
            make_model("transformer", name="events", kind="midi", scheme="remi"),
        ],
        1,
    ):
        os.utime(each, (at, at))
    path = make_model("gru").parent.parent
    (path / "tunes.abc").write_text(TUNES)
    return path


def children(process: int) -> list[int]:
    """The processes that another has started."""
    shown = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat=,comm="], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in shown.stdout.splitlines()]
    mine = [row for row in rows if int(row[1]) == process and row[3] != "ps"]
    return [int(row[0]) for row in mine if not row[2].startswith("Z")]


def runs(process: int) -> bool:
    """Whether a process is there and has not ended."""
    shown = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()[:1] not in ("", "Z")


def wait_until(met: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not met():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_command_writes_the_same_bytes(folder: Path) -> None:
    cases: list[tuple[list[str], bytes]] = [
        (["-n20", "--max-tokens=60", "--temperature=0.7..1.2"], b""),
        (["-n12", "--max-tokens=60", "--best-of=2", "--json", "--logprobs=1"], b""),
        (["-n20", "--max-tokens=40", "-m", "prose", "-p", "T:", "--no-echo", "--top-p=0.9"], b""),
        (["-n14", "--max-tokens=60", "--first=5", "-m", "events", "--format=txt"], b""),
        (["-m", "prose", "--max-tokens=9", "--lines"], b"\n".join([b"T", b"", b"two words"] * 9)),
        (["-m", "prose", "--max-tokens=9", "--jsonl"],
         b'{"prompt": "T", "n": 12, "id": 1}\n{"n": 9, "temperature": 0.5, "seed": 2}\n' * 2),
    ]  # fmt: skip
    for (arguments, stdin), several in zip(cases, "232323", strict=True):
        one, others = (
            seqgen("sample", "--seed=1", *arguments, "-j", jobs, cwd=folder, stdin=stdin)
            for jobs in ("1", several)
        )
        assert one.returncode == 0, one.stderr
        assert one.stdout == others.stdout, arguments
        assert one.stderr == others.stderr == b"seed 1\n"


def test_the_library_draws_the_same(folder: Path) -> None:
    cases: list[tuple[str, Options]] = [
        ("small", {"key": "G", "bars": 4}),
        ("small", {"novel": True, "max_shared": 3, "corpus": [str(folder / "tunes.abc")]}),
        ("prose", {"max_tokens": 20, "regex": "[a-c ]{4,30}"}),
        ("events", {"max_tokens": 60, "temperature": "0.6..1.1"}),
    ]
    for name, options in cases:
        model = load(folder / "checkpoints" / f"{name}.safetensors")
        alone = model.sampler(seed=3, **options)
        beside = model.sampler(seed=3, jobs=2, **options)
        wanted = list(alone.samples(range(30, 44)))
        assert list(beside.samples(range(30, 44))) == wanted
        # Once more, by workers that are there already, and other numbers.
        assert list(beside.samples([44, *range(30, 44, 2)])) == [
            *alone.samples([44]), *wanted[::2],
        ]  # fmt: skip
        assert beside.attempts == alone.attempts


def test_the_workers_do_draw(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = load(folder / "checkpoints" / "prose.safetensors").sampler(
        seed=1, jobs=3, max_tokens=20
    )
    wanted = list(sampler.texts(range(20)))
    assert len(children(os.getpid())) >= 3
    with monkeypatch.context() as patch:
        patch.setattr(sampler, "_own", None)  # nothing can be drawn here
        assert list(sampler.texts(range(20))) == wanted
    drawn = sampler.samples(range(20))
    next(drawn)
    drawn.close()  # type: ignore[attr-defined]  # a generator: what is on its way is for nobody
    assert list(sampler.texts([*range(20)] * 9)) == wanted * 9


def test_workers_compile_what_they_do_for_long(
    make_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model("lstm", name="prose", kind="text")
    opened = load(model)
    if not can_draw(opened.saved.card.model):
        pytest.skip("this processor lacks the instructions")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    soon = "from seqgen.models.decoders import compiled; compiled.is_worth = lambda *_: True"
    monkeypatch.setattr(crew, "_BEGIN", _BEGIN.replace("from seqgen", f"{soon}; from seqgen", 1))
    options: Options = {"seed": 2, "max_tokens": 30}
    wanted = list(opened.sampler(**options).texts(range(200)))
    assert list(opened.sampler(jobs=2, **options).texts(range(200))) == wanted
    assert list(tmp_path.rglob("*.bin"))


def test_processes_end_when_nobody_can_ask_any_more(folder: Path) -> None:
    sampler = load(folder / "checkpoints" / "prose.safetensors").sampler(jobs=2, max_tokens=9)
    before = set(children(os.getpid()))
    list(sampler.texts(range(9)))
    started = set(children(os.getpid())) - before
    assert len(started) == 2
    del sampler
    wait_until(lambda: not started & set(children(os.getpid())))


LONG = ["-m", "prose", "-n", "100000", "--json", "--max-tokens", "400", "-q", "-j", "2"]


@pytest.fixture
def drawing(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """A command that writes for long, and its workers, who are drawing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "seqgen", "sample", *LONG],
        cwd=folder, start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(30):  # more than it has drawn by itself
        assert process.stdout.readline()
    try:
        workers = children(process.pid)
        assert len(workers) == 2
        yield process, workers
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize("end", ["pipe", "interrupt", "kill", "terminate"])
def test_workers_end_with_the_command(
    drawing: tuple[subprocess.Popen[bytes], list[int]], end: str
) -> None:
    process, workers = drawing
    assert process.stdout is not None
    assert process.stderr is not None
    match end:
        case "pipe":
            process.stdout.close()
            status = process.wait(timeout=60)
        case "interrupt":
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
            process.stdout.read()
            status = process.wait(timeout=60)
        case "kill":
            process.kill()
            status = process.wait(timeout=60)
        case _:
            process.terminate()
            status = process.wait(timeout=60)
    assert status == {"pipe": -13, "interrupt": 130, "kill": -9, "terminate": -15}[end]
    assert process.stderr.read() == b""  # which the workers have too: they have ended
    wait_until(lambda: not any(map(runs, workers)))


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_worker_is_named_in_a_sentence(
    drawing: tuple[subprocess.Popen[bytes], list[int]], sign: signal.Signals
) -> None:
    process, workers = drawing
    os.kill(workers[1], sign)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.count(b"\n") == 1
    assert b"was killed by signal %d; fewer (--jobs) need less memory" % sign in stderr
    wait_until(lambda: not any(map(runs, workers)))


def test_a_script_needs_no_guard(folder: Path) -> None:
    (folder / "script.py").write_text(
        "import seqgen\n"
        "model = seqgen.load('checkpoints/prose.safetensors')\n"
        "print('begun')\n"
        "print(model.sample(n=9, seed=1, max_tokens=9, jobs=2)"
        " == model.sample(n=9, seed=1, max_tokens=9))\n"
    )
    # What a stranger's folder holds is for nobody to import.
    (folder / "pickle.py").write_text("raise SystemExit('pickle.py of this folder')")
    done = subprocess.run(
        [sys.executable, "-P", "script.py"], cwd=folder, capture_output=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == (b"begun\nTrue\n", b"")


def test_errors_of_workers_are_those_of_one_process(folder: Path) -> None:
    model = load(folder / "checkpoints" / "small.safetensors")
    copied: Options = {"novel": True, "max_shared": 1, "corpus": [str(folder / "tunes.abc")]}
    wrong: list[tuple[Options, list[str]]] = [
        ({}, ["X:1\nK:G\nGG|\nG*"]),
        ({"max_tokens": 30}, ["X:1\nT:" + "a" * 50 + "\nM:4/4\nK:G\n[|G"]),
        (copied | {"bars": 2, "temperature": 0.0}, [TUNES.split("\n\n", 1)[0]]),
    ]
    for options, prompts in wrong:
        said = []
        for jobs in (1, 2):
            sampler = model.sampler(seed=1, jobs=jobs, **options)
            with pytest.raises(SeqgenError) as caught:
                list(sampler.samples(range(9), [""] * 8 + prompts))
            said.append((type(caught.value), str(caught.value), vars(caught.value).get("line")))
        assert said[0] == said[1]


def test_what_can_be_asked_of_how_many(folder: Path) -> None:
    assert Crew(None, 3).size(100, 100) == 3  # type: ignore[arg-type]  # of no model
    assert Crew(None, 9).size(4, 8) == 4  # type: ignore[arg-type]
    assert Crew(None, 1).size(100, 100) == 0  # type: ignore[arg-type]
    assert Crew(None, None).size(40, 40) == 0  # type: ignore[arg-type]  # not worth it
    with pytest.raises(UsageError, match="jobs must be 1 or more"):
        load(folder / "checkpoints" / "small.safetensors").sample(jobs=0)


@pytest.mark.parametrize("jobs", ["0", "-1", "257", "many"])
def test_impossible_numbers_of_processes(folder: Path, jobs: str) -> None:
    done = seqgen("sample", "-n9", "-j", jobs, cwd=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--jobs" in done.stderr


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_errands_are_all_there_is(workers: int) -> None:
    for samples in (1, 8, 64, 1000, 12345):
        sizes = list(_errands(samples, workers))
        assert sum(sizes) == samples
        assert sizes == sorted(sizes, reverse=True)
        assert max(sizes) <= 256
        assert sizes[0] <= -(-samples // workers)
