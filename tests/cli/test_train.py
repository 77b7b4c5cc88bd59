"""``seqgen train`` as a process: what it writes, how it is stopped, what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mido
import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.corpus.documents import LARGE
from tests.durability.trainers import write_tunes

SMALL = ["--hidden", "16", "--seq-length", "16", "--batch-size", "4"]
OTHERWISE = ["--augment", "--strip", "numbers"]
WORDS = "In the beginning the sea was without form and the sound was without end. " * 40


def seqgen(
    *arguments: str, cwd: Path, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seqgen", *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture
def tunes(tmp_path: Path) -> Path:
    """A corpus of forty tunes, no two alike."""
    write_tunes(tmp_path)
    return tmp_path


def test_tunes_from_file_to_sample(tunes: Path) -> None:
    done = seqgen("train", "tunes.abc", "--steps", "12", *SMALL, cwd=tunes)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "bits/char" in done.stderr
    assert "next: seqgen sample -m checkpoints/tunes.safetensors" in done.stderr
    assert "\x1b" not in done.stderr  # plain lines where stderr is no terminal
    model = tunes / "checkpoints" / "tunes.safetensors"
    card = checkpoint.load(model).card
    assert (card.kind, card.tokenizer.scheme, card.model.arch) == ("abc", "abc", "transformer")
    metrics = model.with_name("tunes.metrics.jsonl").read_text()
    steps = [json.loads(line) for line in metrics.splitlines()]
    assert [line["step"] for line in steps if "loss_nats" in line] == list(range(1, 13))

    drawn = seqgen("sample", "--max-tokens", "50", "--seed", "1", cwd=tunes)
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout

    before = model.read_bytes()
    again = seqgen("train", "tunes.abc", cwd=tunes)
    assert again.returncode == 2
    assert "--resume goes on with it, --force replaces it" in again.stderr
    assert model.read_bytes() == before


def test_midi_from_folder_to_sample(tunes: Path) -> None:
    assert seqgen("convert", "tunes.abc", "midi/", cwd=tunes).returncode == 0
    done = seqgen("train", "midi/", "--steps", "6", "--layers", "1", *SMALL, cwd=tunes)
    assert done.returncode == 0, done.stderr
    assert "bits/event" in done.stderr
    assert "nats) per event" in done.stderr
    card = checkpoint.load(tunes / "checkpoints" / "midi.safetensors").card
    assert (card.kind, card.tokenizer.scheme) == ("midi", "remi")
    assert card.metrics["bits_per_event"] == pytest.approx(
        card.metrics["nats_per_token"] / np.log(2)
    )
    shown = seqgen("show", "midi", cwd=tunes)
    assert " events" in shown.stdout
    assert "per event" in shown.stdout
    for done in (
        seqgen("sample", "--seed", "1", "--max-tokens", "80", "-o", "new.mid", cwd=tunes),
        seqgen("plot", "-o", "curves.svg", cwd=tunes),
    ):
        assert done.returncode == 0, done.stderr
    assert mido.MidiFile(tunes / "new.mid").length > 0

    again = seqgen("train", "midi/", "--resume", "--steps", "2", "--batch-size", "4", cwd=tunes)
    assert again.returncode == 0, again.stderr
    other = seqgen("train", "tunes.abc", "--resume", "-o", "checkpoints/midi", cwd=tunes)
    assert "writes midi, but the corpus holds abc" in other.stderr
    tokens = seqgen("train", "midi/", "--tokens", "bpe", "--force", cwd=tunes)
    assert tokens.returncode == 2
    assert "MIDI is learnt event by event" in tokens.stderr


def test_text_from_stdin_quietly_with_a_transformer(tmp_path: Path) -> None:
    done = seqgen(
        *("train", "-", "--arch", "transformer", "--layers", "1", "--hidden", "16", "--quiet"),
        *("--seq-length", "16", "--batch-size", "4", "--steps", "4", "-o", "out/prose.safetensors"),
        cwd=tmp_path,
        stdin=WORDS,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    card = checkpoint.load(tmp_path / "out" / "prose.safetensors").card
    assert (card.kind, card.tokenizer.scheme, card.corpus["name"]) == ("text", "char", "stdin")


def test_a_networks_options_stand_in_its_model(tunes: Path) -> None:
    options = ["--tie-embeddings", "--logit-softcap", "15", "--compute", "plain"]
    done = seqgen("train", "tunes.abc", "--steps", "4", *options, *SMALL, cwd=tunes)
    assert done.returncode == 0, done.stderr
    assert "updates in plain operations" in done.stderr
    card = seqgen("show", cwd=tunes).stdout
    assert "tied embeddings, logits capped at 15" in card
    assert "computed by plain" in card
    drawn = seqgen("sample", "--max-tokens", "50", "--seed", "1", cwd=tunes)
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout


def test_byte_pairs_are_learnt_and_kept_with_the_model(tunes: Path) -> None:
    bpe = ["--tokens", "bpe", "--vocab-size", "5000"]
    done = seqgen("train", "tunes.abc", *bpe, "--steps", "4", *SMALL, cwd=tunes)
    assert done.returncode == 0, done.stderr
    tokenizer = checkpoint.load(tunes / "checkpoints" / "tunes.safetensors").card.tokenizer
    assert any(len(piece) > 2 for piece in tokenizer.pieces)
    assert f"the corpus holds no more than {tokenizer.size} tokens" in done.stderr
    assert f"{tokenizer.size} tokens (bpe)" in seqgen("show", cwd=tunes).stdout
    drawn = seqgen("sample", "-n", "3", "--seed", "1", "--format", "abc", cwd=tunes)
    assert drawn.returncode == 0, drawn.stderr
    (tunes / "drawn.abc").write_text(drawn.stdout)
    checked = seqgen("check", "drawn.abc", cwd=tunes)
    assert checked.returncode == 0, checked.stdout
    assert "0 problems in 3 tunes" in checked.stderr


def test_tunes_without_titles_in_other_keys(tunes: Path) -> None:
    options = ["--strip", "titles", "--augment", "--steps", "6", "-o", "m.safetensors"]
    done = seqgen("train", "tunes.abc", *options, *SMALL, cwd=tunes)
    assert done.returncode == 0, done.stderr
    assert "through the corpus, tunes in other keys each time" in done.stderr
    assert "titles and numbers count neither as loss nor as characters" in done.stderr
    card = checkpoint.load(tunes / "m.safetensors").card
    assert (card.corpus["strip"], card.recipe["augment"]) == ("titles", True)
    before = checkpoint.load(tunes / "m.safetensors").index
    assert [(each.length, each.stride) for each in before] == [(12, 1)]
    assert "T" not in card.tokenizer.pieces
    shown = seqgen("show", "m.safetensors", cwd=tunes).stdout
    assert "without titles and numbers" in shown
    assert "tunes in other keys too" in shown
    sample = ["sample", "-m", "m.safetensors", "-n2", "--seed=1", "--format=abc", "--no-stamp"]
    drawn = seqgen(*sample, cwd=tunes)
    assert drawn.stdout.startswith("X:1\nT:Untitled\n"), drawn.stderr
    assert "\nX:2\nT:Untitled\n" in drawn.stdout

    refused = seqgen("train", "tunes.abc", "--resume", *options[:2], *options[-2:], cwd=tunes)
    assert refused.returncode == 2
    assert "drop --strip" in refused.stderr
    taught = seqgen(
        *("train", "tunes.abc", "--resume", "--steps", "2", "--batch-size", "4", "--no-augment"),
        *options[-2:],
        cwd=tunes,
    )
    assert taught.returncode == 0, taught.stderr
    again = checkpoint.load(tunes / "m.safetensors").card
    after = checkpoint.load(tunes / "m.safetensors").index
    assert len(after) == 1  # it was the same corpus
    assert after[0].same(before[0])
    assert (again.corpus["strip"], again.recipe["augment"]) == ("titles", False)
    assert again.corpus["validation_digest"] == card.corpus["validation_digest"]


@pytest.mark.parametrize(
    ("sign", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_saves_and_resume_goes_on_from_there(
    tunes: Path, sign: signal.Signals, status: int
) -> None:
    model = tunes / "m.safetensors"
    command = [sys.executable, "-m", "seqgen", "train", "tunes.abc", "-o", "m.safetensors"]
    process = subprocess.Popen(
        [*command, "--steps", "300", "--checkpoint-every", "2", *OTHERWISE, *SMALL],
        cwd=tunes,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not model.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(sign)
    _, stderr = process.communicate(timeout=60)
    progress = checkpoint.load(model).card.progress
    assert process.returncode == status, stderr
    assert progress is not None
    assert f"Stopped at step {progress['step']}" in stderr
    assert "seqgen train --resume -o m.safetensors" in stderr

    refused = seqgen("train", "--resume", "-o", "m.safetensors", "--hidden", "8", cwd=tunes)
    assert refused.returncode == 2
    assert "drop --hidden" in refused.stderr

    with (tunes / "tunes.abc").open("a") as file:
        file.write("\nX:99\nT:New\nK:C\nCDEF|\n")
    changed = seqgen("train", "--resume", "-o", "m.safetensors", cwd=tunes)
    assert changed.returncode == 1
    assert "another corpus" in changed.stderr
    text = (tunes / "tunes.abc").read_text()
    (tunes / "tunes.abc").write_text(text[: text.index("\nX:99")])

    resumed = seqgen("train", "--resume", "-o", "m.safetensors", cwd=tunes)
    assert resumed.returncode == 0, resumed.stderr
    assert f"going on after step {progress['step']}" in resumed.stderr
    assert checkpoint.load(model).card.progress is None

    whole = seqgen(
        *("train", "tunes.abc", "--steps", "300", *OTHERWISE, *SMALL, "-o", "whole.safetensors"),
        cwd=tunes,
    )
    assert whole.returncode == 0, whole.stderr
    whole_index = checkpoint.load(tunes / "whole.safetensors").index
    assert checkpoint.load(model).index[0].same(whole_index[0])
    expected = checkpoint.load(tunes / "whole.safetensors").weights
    assert all((checkpoint.load(model).weights[n] == w).all() for n, w in expected.items())


def test_export_ends_an_interrupted_run(tunes: Path) -> None:
    model = tunes / "m.safetensors"
    run = [sys.executable, "-m", "seqgen", "train", "tunes.abc", "-o", "m.safetensors", "-q"]
    process = subprocess.Popen(
        [*run, "--steps", "100000", "--checkpoint-every", "2", *SMALL], cwd=tunes
    )
    while not model.exists() and process.poll() is None:
        time.sleep(0.02)
    process.kill()  # at any moment: the file is whole
    process.wait()
    assert checkpoint.load(model).card.progress
    size = model.stat().st_size
    done = seqgen("train", "--export", "-o", "m.safetensors", cwd=tunes)
    assert done.returncode == 0, done.stderr
    assert checkpoint.load(model).card.progress is None
    assert model.stat().st_size < size / 2


BAD = [
    (["none.abc"], 1, "none.abc"),
    (["tinyshakespear"], 1, "tinyshakespeare"),
    (["empty.txt"], 1, "empty"),
    (["binary.abc"], 1, "binary"),
    (["latin.txt"], 1, "byte 3 (0xe9) is not UTF-8"),
    (["short.txt"], 1, "too small"),
    (["tunes.abc", "words.txt"], 1, "words.txt"),
    (["tunes.abc", "--validation", "words.txt"], 1, "holds text, but the corpus holds abc"),
    (["tunes.abc", "--learning-rate", "nan"], 2, "learning-rate"),
    (["tunes.abc", "--learning-rate", "0"], 2, "learning-rate"),
    (["tunes.abc", "--clip-norm", "-1"], 2, "clip-norm"),
    (["tunes.abc", "--clip-value", "0"], 2, "clip-value must be above 0"),
    (["tunes.abc", "--clip-value", "1", "--clip-norm", "1"], 2, "exclude"),
    (["tunes.abc", "--ema", "1"], 2, "ema must be above 0"),
    (["tunes.abc", "--accumulate", "2000000"], 2, "accumulate must be"),
    (["tunes.abc", "--dropout", "1"], 2, "dropout"),
    (["words.txt", "--augment"], 2, "--augment and --no-augment are for tunes"),
    (["words.txt", "--strip", "titles"], 2, "--strip titles is for tunes"),
    (["tunes.abc", "--val-fraction", "0"], 2, "fraction"),
    (["tunes.abc", "--val-fraction", ".1", "--validation", "tunes.abc"], 2, "exclude"),
    (["tunes.abc", "--steps", "3", "--budget", "3s"], 2, "exclude"),
    (["tunes.abc", "--budget", "soon"], 2, "no duration"),
    (["tunes.abc", "--arch", "transformer", "--hidden", "51"], 2, "must be even"),
    (["tunes.abc", "--logit-softcap", "0"], 2, "logit-softcap must be above 0"),
    (["tunes.abc", "--tie-embeddings", "--arch", "gru"], 2, "are a transformer's"),
    (["tunes.abc", "--layers", "65"], 2, "layers must be a whole number from 1 to 64"),
    (["tunes.abc", "--seq-length", "2000000"], 2, "seq-length must be a whole number from 2"),
    (["tunes.abc", "--seq-length", "9000"], 1, "fewer than one sequence of 9,000; lower --seq-le"),
    (["tunes.abc", "--steps", "1", "--hidden", "16384", "--layers", "64"], 1, "lower --hidden, --"),
    (["tunes.abc", "--budget", "1s"], 1, "a budget of 1 s is too small for one update and one ev"),
    (["tunes.abc", "--vocab-size", "300"], 2, "--vocab-size is for --tokens bpe"),
    (["tunes.abc", "--tokens", "bpe", "--vocab-size", "30"], 2, "need at least"),
    (["tunes.abc", "-o", "words.txt/m.safetensors"], 1, "can't make this folder"),
    (["--resume", "-o", "none.safetensors"], 1, "no such model"),
    (["--resume"], 1, "no run in checkpoints/ was interrupted"),
    (["--export"], 1, "no run in checkpoints/ was interrupted"),
    (["--export", "--steps", "3"], 2, "drop --steps"),
    (["--export", "--force"], 2, "exclude"),
    (["--export", "--log-dir", "logs"], 2, "drop --log-dir"),
    (["tunes.abc", "--log-dir", "words.txt"], 1, "can't make this folder"),
    (["tunes.abc", "-o", ".", "--force"], 1, "is a folder"),
    (["words.safetensors", "-o", "words.safetensors", "--force"], 2, "is the corpus"),
    (["words.metrics.jsonl", "-o", "words"], 2, "is the corpus"),
]


@pytest.mark.parametrize(("arguments", "status", "message"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_is_one_sentence(
    tunes: Path, arguments: list[str], status: int, message: str
) -> None:
    (tunes / "empty.txt").write_bytes(b"")
    (tunes / "binary.abc").write_bytes(b"MThd\0\0\0\6")
    (tunes / "latin.txt").write_bytes(b"caf\xe9 " * 100)
    (tunes / "short.txt").write_text("too short")
    for name in ("words.txt", "words.safetensors", "words.metrics.jsonl"):
        (tunes / name).write_text(WORDS)
    before = {path.name for path in tunes.iterdir()}
    done = seqgen("train", *arguments, cwd=tunes)
    assert done.returncode == status, done.stderr
    assert message in done.stderr
    assert done.stderr.startswith("seqgen: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert {path.name for path in tunes.iterdir()} - {"checkpoints"} == before


def test_a_finished_model_is_taught_more_only_of_its_own(tunes: Path) -> None:
    (tunes / "words.txt").write_text(WORDS)
    assert seqgen("train", "tunes.abc", "--steps", "4", *SMALL, "-q", cwd=tunes).returncode == 0
    model = tunes / "checkpoints" / "tunes.safetensors"
    before = model.read_bytes()
    out = ["-o", "checkpoints/tunes.safetensors"]
    for arguments, message in (
        (out, "name the CORPUS"),
        ([*out, "words.txt"], "writes abc, but the corpus holds text"),
        (["tunes.abc", "--hidden", "8"], "drop --hidden"),
        (["tunes.abc", "--tie-embeddings"], "drop --tie-embeddings"),
        (["tunes.abc", "--tokens", "bpe", "--vocab-size", "99"], "drop --tokens, --vocab-size"),
        (["tunes.abc", "--seed", "3"], "drop --seed"),
    ):
        refused = seqgen("train", "--resume", *arguments, cwd=tunes)
        assert refused.returncode in (1, 2)
        assert message in refused.stderr
    assert model.read_bytes() == before
    taught = seqgen(
        "train", "tunes.abc", "--resume", "--steps", "4", "--batch-size", "4", cwd=tunes
    )
    assert taught.returncode == 0, taught.stderr
    first = json.loads(before[8 : 8 + int.from_bytes(before[:8], "little")])
    old = json.loads(first["__metadata__"]["seqgen"])["corpus"]
    assert checkpoint.load(model).card.corpus["validation_digest"] == old["validation_digest"]


def test_training_outlives_those_who_watch(tunes: Path) -> None:
    """`| head -1`, and a closed stderr: the model is wanted all the same."""
    command = f"{sys.executable} -m seqgen train tunes.abc --steps 30 {' '.join(SMALL)}"
    for name, redirection in (("head", "2>&1 | head -1"), ("closed", "2>&-")):
        script = f"{command} -o {name}.safetensors {redirection}"
        done = subprocess.run(
            ["sh", "-c", script], cwd=tunes, capture_output=True, timeout=200, check=False
        )
        assert done.returncode == 0
        assert checkpoint.load(tunes / f"{name}.safetensors").card.progress is None


def test_a_name_that_is_no_text_is_kept(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text(WORDS)
    done = subprocess.run(
        [sys.executable, "-m", "seqgen", "train", b"caf\xe9.txt", "--steps", "2", *SMALL, "-q"],
        cwd=tmp_path,
        capture_output=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert checkpoint.load(tmp_path / "checkpoints" / os.fsdecode(b"caf\xe9.safetensors"))


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A text that is tokenized into a file, `large.txt`, and the arguments' `validation.txt`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "large.txt").write_text(WORDS * (LARGE // len(WORDS) + 1))
    (tmp_path / "validation.txt").write_text(WORDS)
    return tmp_path


LARGE_RUN = [
    "train",
    "large.txt",
    "--arch",
    "rnn",
    "--validation",
    "validation.txt",
    "--steps",
    "4",
    *SMALL,
]


@pytest.mark.slow
def test_a_large_text_is_tokenized_once(large: Path) -> None:
    weights = []
    files = []
    for name in ("one", "two"):
        done = seqgen(*LARGE_RUN, "-o", name, cwd=large)
        assert done.returncode == 0, done.stderr
        assert done.stderr.startswith("Tokenizing 16,77")
        weights.append(checkpoint.load(large / f"{name}.safetensors").weights)
        (file,) = (large / "cache").rglob("*.ids")
        files.append((file, file.stat().st_ino))
    assert files[0] == files[1]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_end_while_a_large_text_is_tokenized_leaves_nothing(
    sign: signal.Signals, large: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "seqgen", *LARGE_RUN, "--tokens", "bpe", "--vocab-size", "60"],
        cwd=large,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Tokenizing")
        while not list((large / "cache").rglob("*.tmp")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(sign)
        said = process.stderr.read()
    assert process.returncode == 128 + sign
    assert said == ""
    assert not [path for path in (large / "cache").rglob("*") if path.is_file()]


def test_a_large_text_is_not_measured_with(large: Path) -> None:
    done = seqgen("train", "validation.txt", "--validation", "large.txt", cwd=large)
    assert done.returncode == 1
    assert "large.txt: holds 16,77" in done.stderr
    assert "measure with 16,777,216 or fewer" in done.stderr
