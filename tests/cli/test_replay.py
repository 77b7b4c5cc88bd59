"""``seqgen replay``: the same bytes again, or a clear refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seqgen.corpus import readers
from seqgen.corpus.tunes import find_tunes
from tests.support import TUNES, seqgen

MakeModel = Callable[..., Path]
TUNE = TUNES.split("\n\n", 1)[0] + "\n"


@pytest.fixture
def folder(make_model: MakeModel) -> Path:
    make_model("lstm", name="tunes")
    make_model("transformer", name="events", scheme="remi", kind="midi")
    return make_model("gru", name="prose", kind="text").parent.parent


SAMPLES = [
    ["-m", "tunes", "-n", "3"],
    ["-m", "tunes", "-n", "2", "--first", "40", "--temperature", "0.7..1.1", "--top-k", "9"],
    ["-m", "tunes", "--meter", "6/8", "--bars", "4", "--title", "The First"],
    ["-m", "tunes", "--unconstrained", "--logit-bias", "|=-inf", "-p", "X:7\nT:é\x1b\n"],
    ["-m", "tunes", "--best-of", "3", "-n", "2", "--stop", "zz", "--presence-penalty", "0.2"],
    ["-m", "tunes", "--format", "mid", "-p", TUNE],
    ["-m", "tunes", "-p", TUNE, "--no-echo"],
    ["-m", "events"],
    ["-m", "events", "--format", "abc"],
    ["-m", "prose", "--json", "-n", "2", "--logprobs", "2", "-p", "To be\n", "--best-of", "2"],
    ["-m", "tunes", "--json", "--min-p", "0.05", "--no-echo", "-p", "X:1\n"],
]


@pytest.mark.parametrize("arguments", SAMPLES, ids=lambda each: " ".join(each)[:40])
def test_a_sample_is_drawn_again(folder: Path, arguments: list[str]) -> None:
    drawn = seqgen("sample", *arguments, "--seed", "2", "--max-tokens", "90", "-q", cwd=folder)
    if arguments[-1] == "abc" and drawn.returncode:
        pytest.skip("random events without a melody")
    assert drawn.returncode == 0, drawn.stderr
    again = seqgen("replay", "-", cwd=folder, stdin=drawn.stdout)
    assert again.returncode == 0, again.stderr
    assert again.stdout == drawn.stdout
    model = ["-m", arguments[1]]
    (folder / "file").write_bytes(drawn.stdout)
    assert seqgen("replay", "file", *model, cwd=folder).stdout == drawn.stdout
    other = {"tunes": "prose", "events": "tunes", "prose": "tunes"}[arguments[1]]
    refused = seqgen("replay", "file", "-m", other, cwd=folder)
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert f"{other}.safetensors: is model".encode() in refused.stderr
    (folder / "checkpoints" / f"{arguments[1]}.safetensors").unlink()
    missing = seqgen("replay", "file", cwd=folder)
    assert (missing.returncode, missing.stdout) == (1, b"")
    assert b"no model in checkpoints" in missing.stderr


def test_bars_that_were_filled_are_filled_again(folder: Path) -> None:
    (folder / "gap.abc").write_text(TUNE.replace("d2 B2", "?"))
    arguments = ["-m", "tunes", "--infill", "gap.abc", "--seed", "2", "-n", "2"]
    drawn = seqgen("sample", *arguments, cwd=folder)
    assert drawn.returncode == 0, drawn.stderr
    (folder / "gap.abc").unlink()
    assert seqgen("replay", "-", cwd=folder, stdin=drawn.stdout).stdout == drawn.stdout
    # A stamp before the open tune is no part of it, nor of the new stamp.
    (folder / "gap.abc").write_bytes(
        drawn.stdout.partition(b"\n")[0] + b"\n" + TUNE.replace("d2 B2", "?").encode()
    )
    assert seqgen("sample", *arguments, cwd=folder).stdout == drawn.stdout


def test_answers_to_many_prompts_are_given_again(folder: Path) -> None:
    stdin = b'{"id": 1, "prompt": "a"}\n{"id": 2, "seed": 8, "n": 2, "top_p": 0.9, "logprobs": 1}\n'
    drawn = seqgen("sample", "-m", "prose", "--jsonl", "--seed", "2", cwd=folder, stdin=stdin)
    assert drawn.returncode == 0, drawn.stderr
    assert seqgen("replay", "-", cwd=folder, stdin=drawn.stdout).stdout == drawn.stdout


def test_a_stamp_is_no_part_of_the_tune(folder: Path) -> None:
    arguments = ["sample", "-m", "tunes", "-n", "2", "--seed", "2", "-p", TUNE, "-q"]
    stamped = seqgen(*arguments, cwd=folder).stdout.decode()
    plain = seqgen(*arguments, "--no-stamp", cwd=folder).stdout.decode()
    assert stamped.count("%%seqgen") == 2
    assert "%%seqgen" not in plain
    assert [line for line in stamped.split("\n") if not line.startswith("%%seqgen")] == plain.split(
        "\n"
    )
    assert find_tunes(stamped, suffix=".abc") == find_tunes(plain, suffix=".abc")
    (folder / "learnt.abc").write_text(stamped)
    texts = [each.text for each in readers.load([str(folder / "learnt.abc")]).documents]
    assert len(texts) == 2
    assert not any("seqgen" in str(text) for text in texts)
    checked = seqgen("check", "learnt.abc", cwd=folder)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"X:1\nT:a\nK:C\nCDEF|\n", "holds no stamp"),
        (b"", "holds no stamp"),
        (b"%%seqgen 0123456789abcdef 1 0 {broken}\n", "holds no stamp"),
        (b"%%seqgen 0123456789abcdef 1 0 {}\n", "no model in checkpoints"),
        (b'{"text": "a"}\n', "<stdin>:1: is no JSON object with the model"),
        (b'{"model": "a", "seed": -1, "number": 0, "options": {}}\n', "is no JSON object with"),
        (b'{"model": "", "seed": 1, "number": 0, "options": {}}\n', "no model in"),
        (b"{\n", "<stdin>:1: is no JSON"),
    ],
)
def test_what_can_not_be_replayed(folder: Path, data: bytes, message: str) -> None:
    done = seqgen("replay", "-", cwd=folder, stdin=data)
    assert (done.returncode, done.stdout) == (1, b"")
    assert message in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        '{"temperature":"warm"}',
        '{"what":1}',
        '{"conditions":{"keys":1}}',
        '{"conditions":3}',
        '{"best_of":0}',
        '{"prompt":3}',
        '{"logit_bias":[1]}',
        '{"stop":[1]}',
    ],
)
def test_options_that_are_none(folder: Path, options: str) -> None:
    drawn = seqgen("sample", "-m", "tunes", "--max-tokens", "60", cwd=folder).stdout
    model = drawn.split()[1].decode()
    stdin = f"%%seqgen {model} 1 0 {options}\n".encode()
    done = seqgen("replay", "-", cwd=folder, stdin=stdin)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"the stamp's options can't be used" in done.stderr
