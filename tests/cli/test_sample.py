"""``seqgen sample`` as a process: where the output goes decides its form."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mido
import pytest

from tests.support import TUNES, in_terminal, midi_of

MakeModel = Callable[..., Path]
COMMAND = [sys.executable, "-m", "seqgen", "sample"]
SMALL = ["--seed", "1", "--max-tokens", "60", "--no-stamp"]
# A prompt that is a tune already: whatever random weights add, it can be played.
TUNE = TUNES.split("\n\n", 1)[0] + "\n"


def sample(
    *arguments: str, cwd: Path, stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, input=stdin, capture_output=True, timeout=100, check=False
    )


@pytest.fixture
def folder(make_model: MakeModel) -> Path:
    """A folder with checkpoints/: a model of tunes, and an older one of text."""
    prose = make_model("transformer", name="prose", kind="text")
    os.utime(prose, (1, 1))
    return make_model("lstm").parent.parent


@pytest.mark.parametrize("model", ["small", "prose"])
def test_same_seed_same_bytes_in_two_processes(folder: Path, model: str) -> None:
    drawn = [
        sample("-m", model, "--seed", seed, "--max-tokens", "99", cwd=folder) for seed in "112"
    ]
    assert drawn[0].returncode == 0, drawn[0].stderr
    assert drawn[0].stdout == drawn[1].stdout
    assert drawn[0].stdout != drawn[2].stdout
    assert drawn[0].stderr == b"seed 1\n"


def test_the_seed_that_is_printed_draws_the_same_again(folder: Path) -> None:
    first = sample("--max-tokens", "50", cwd=folder)
    seed = first.stderr.decode().split()[-1]
    assert sample("--max-tokens", "50", "--seed", seed, cwd=folder).stdout == first.stdout
    assert sample("--max-tokens", "50", "-q", cwd=folder).stderr == b""


def redirect(folder: Path, name: str, *arguments: str) -> bytes:
    with (folder / name).open("wb") as out:
        done = subprocess.run(
            [*COMMAND, *arguments, *SMALL],
            cwd=folder,
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return (folder / name).read_bytes()


def notes(data: bytes) -> int:
    file = mido.MidiFile(file=io.BytesIO(data))
    return sum(message.type == "note_on" for track in file.tracks for message in track)


def test_a_redirection_is_known_by_its_name(folder: Path) -> None:
    tune = ["-p", TUNE, "-m", "small"]
    assert notes(redirect(folder, "song.mid", *tune)) > 5
    assert redirect(folder, "song", *tune).startswith(b"MThd")
    abc = redirect(folder, "song.abc", *tune)
    assert abc.startswith(TUNE.encode())
    assert redirect(folder, "song.txt", *tune) == abc
    assert redirect(folder, "song.mid", "--format", "abc", *tune) == abc
    assert not redirect(folder, "prose.out", "-m", "prose").startswith(b"MThd")


def refusal(folder: Path, name: str, model: str) -> bytes:
    """What is said of a redirection to a file that is left empty."""
    with (folder / name).open("wb") as out:
        refused = subprocess.run(
            [*COMMAND, "-m", model, *SMALL],
            cwd=folder,
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (refused.returncode, (folder / name).read_bytes()) == (2, b"")
    return refused.stderr


@pytest.mark.parametrize("name", ["song.musicxml", "song.WAV", "song.svg"])
def test_a_redirection_never_gets_another_form_than_its_name_says(folder: Path, name: str) -> None:
    assert b"`seqgen sample | seqgen convert - - > tune" in refusal(folder, name, "small")
    assert redirect(folder, name, "-m", "small", "--format", "mid").startswith(b"MThd")


def test_text_goes_to_files_of_any_name_but_those_of_music(folder: Path) -> None:
    done = sample("-m", "prose", *SMALL, "-o", "poem.md", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "poem.md").read_bytes() == redirect(folder, "poem", "-m", "prose")
    assert b"this model writes text, not mid" in refusal(folder, "poem.mid", "prose")


def test_a_pipe_gets_text(folder: Path) -> None:
    done = sample("-p", TUNE, *SMALL, cwd=folder)
    assert done.stdout.startswith(TUNE.encode())
    forced = sample("-p", TUNE, "--format", "mid", *SMALL, cwd=folder)
    assert forced.stdout.startswith(b"MThd")


def test_output_files_and_folders(folder: Path) -> None:
    assert sample("-p", TUNE, *SMALL, "-o", "a.mid", cwd=folder).returncode == 0
    first = (folder / "a.mid").read_bytes()
    assert first.startswith(b"MThd")
    refused = sample("-p", TUNE, "--seed", "2", "-o", "a.mid", cwd=folder)
    assert refused.returncode == 1
    assert b"a.mid exists; --force" in refused.stderr
    assert (folder / "a.mid").read_bytes() == first
    assert sample("-p", TUNE, *SMALL, "-o", "a.mid", "--force", cwd=folder).returncode == 0

    done = sample("-p", TUNE, *SMALL, "-n", "3", "-o", "tunes/", "--format", "mid", cwd=folder)
    assert done.returncode == 0, done.stderr
    made = sorted((folder / "tunes").iterdir())
    assert [path.name for path in made] == [f"small-1-{n}.mid" for n in (1, 2, 3)]
    assert all(notes(path.read_bytes()) for path in made)

    new = sample("-p", TUNE, *SMALL, "-n", "2", "-o", "new/folder/", cwd=folder)
    assert new.returncode == 0, new.stderr
    assert len(list((folder / "new" / "folder").glob("*.abc"))) == 2

    both = sample("-p", TUNE, *SMALL, "-n", "2", "-o", "two.abc", cwd=folder)
    assert both.returncode == 0
    assert (folder / "two.abc").read_text().count("X:1\nT:The First") == 2
    assert not list(folder.glob("**/*.tmp"))


def test_stdin_is_a_prompt_when_asked_for_and_a_pipe_where_nothing_else_is(folder: Path) -> None:
    opening = "To be, or nöt".encode()
    done = sample("-m", "prose", "-", *SMALL, cwd=folder, stdin=opening)
    assert done.stdout.startswith(opening)
    assert len(done.stdout) > len(opening) + 10
    (folder / "opening.txt").write_bytes(opening)
    from_file = sample("-m", "prose", "-f", "opening.txt", *SMALL, cwd=folder)
    assert from_file.stdout == done.stdout
    twice = sample("-m", "prose", "-f", "opening.txt", "-p", "To be", *SMALL, cwd=folder)
    assert (twice.returncode, twice.stdout) == (2, b"")
    missing = sample("-m", "prose", "-f", "missing.txt", *SMALL, cwd=folder)
    assert missing.returncode == 1
    assert b"missing.txt" in missing.stderr
    piped = sample("-m", "prose", *SMALL, cwd=folder, stdin=opening)
    assert piped.stdout == done.stdout
    other = sample("-m", "prose", "-p", "So", *SMALL, cwd=folder, stdin=opening)
    assert other.stdout.startswith(b"So")
    with (folder / "opening.txt").open("rb") as file:
        command = [*COMMAND, "-m", "prose", *SMALL]
        without = subprocess.run(command, cwd=folder, stdin=file, capture_output=True, check=True)
        assert file.read() == opening
    assert not without.stdout.startswith(opening)


def test_what_it_wrote_with_its_stamp_is_a_prompt_and_a_tune_to_fill(folder: Path) -> None:
    stamp = b'%%seqgen 0123456789abcdef 1 0 {"max_tokens":60}\n'
    (folder / "drawn.abc").write_bytes(stamp + TUNE.encode())
    from_file = sample("-f", "drawn.abc", *SMALL, cwd=folder)
    assert from_file.returncode == 0, from_file.stderr
    assert from_file.stdout == sample("-p", TUNE, *SMALL, cwd=folder).stdout
    assert sample("-", *SMALL, cwd=folder, stdin=stamp + TUNE.encode()).stdout == from_file.stdout
    (folder / "open.abc").write_bytes(stamp + b"X:1\nT:x\nM:2/4\nL:1/8\nK:G\nG4|?|G4|]\n")
    filled = sample("--infill", "open.abc", "--no-stamp", cwd=folder)
    assert filled.returncode == 0, filled.stderr
    assert filled.stdout.startswith(b"X:1\nT:x\n")
    refused = sample("-p", "X:1\nK:G\n", cwd=folder)
    assert refused.stderr.startswith(b"seqgen: line 2:1: the prompt is no valid tune")


def test_several_samples_are_apart_and_each_its_own(folder: Path) -> None:
    done = sample("-n", "3", "-p", "X:1\n", *SMALL, cwd=folder)
    parts = done.stdout.decode().split("X:1\n")[1:]
    assert len(parts) == 3
    assert len(set(parts)) == 3
    assert all(part.endswith("\n\n") for part in parts[:2])


def test_a_sample_is_drawn_again_by_its_number(folder: Path) -> None:
    many = sample(*SMALL, "-n", "3", cwd=folder).stdout
    each = [sample(*SMALL, "--first", number, cwd=folder).stdout for number in "012"]
    assert len(set(each)) == 3
    assert many == b"\n".join(each)
    best = sample(*SMALL, "--best-of", "3", cwd=folder)
    assert best.returncode == 0, best.stderr
    refused = sample(*SMALL, "--best-of", "3", "--explain", cwd=folder)
    assert (refused.returncode, refused.stdout) == (2, b"")


def test_a_closed_pipe_ends_it_quietly(folder: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "-n", "1000", "-q", "--seed", "1"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=60) in (0, -13)
    with process.stderr as stderr:
        assert stderr.read() == b""


def test_a_terminal_gets_no_binary_and_no_control_characters(folder: Path) -> None:
    status, shown = in_terminal([*COMMAND, "-p", TUNE, "--format", "mid", *SMALL], cwd=folder)
    assert (status, shown) == (2, b"")
    prose = ["-p", "\x1b[31mred\x07", "-m", "prose"]
    status, shown = in_terminal([*COMMAND, *prose, *SMALL], cwd=folder)
    assert status == 0
    assert b"\x1b" not in shown
    assert b"[31mred" in shown
    assert b"\x1b[31mred" in sample("-p", "\x1b[31mred", "-m", "prose", *SMALL, cwd=folder).stdout


BAD = [
    (["--temperature", "-1"], 2, "temperature"),
    (["--temperature", "nan"], 2, "temperature"),
    (["--top-p", "0"], 2, "top-p"),
    (["--top-p", "1.5"], 2, "top-p"),
    (["--min-p", "2"], 2, "min-p"),
    (["--stop", ""], 2, "stop"),
    (["--stop", "x", "--stop", ""], 2, "stop"),
    (["--temp", "warm"], 2, "0.7..1.1, not 'warm'"),
    (["--temp", "0.7.."], 2, "0.7..1.1, not '0.7..'"),
    (["--temp", "0.7..-1"], 2, "temperature"),
    (["--repeat-penalty", "0"], 2, "repetition-penalty"),
    (["--penalty-window", "-2"], 2, "repeat-last-n"),
    (["--presence-penalty", "1000"], 2, "presence-penalty"),
    (["--frequency-penalty", "nan"], 2, "frequency-penalty"),
    (["--typical", "0"], 2, "typical-p"),
    (["--logit-bias", "z"], 2, "TOKEN=VALUE"),
    (["--logit-bias", "z=much"], 2, "TOKEN=VALUE"),
    (["--logit-bias", "=1"], 2, "needs a token"),
    (["--logit-bias", "z=101"], 2, "at most 100"),
    (["--logit-bias", "AB=1"], 2, "it is 2: 'A' 'B'"),
    (["--logit-bias", "é=1"], 2, "lacks it"),
    (["-m", "smal"], 1, "there is small"),
    (["-m", "none.safetensors"], 1, "no such model"),
    (["-m", "prose", "--format", "mid"], 2, "writes text, not mid"),
    (["-m", "prose", "-o", "x.mid"], 2, "writes text, not mid"),
    (["-o", "x.doc"], 2, "can't tell the form"),
    (["-o", "x.svg"], 2, "seqgen convert - - > tune.svg"),
    (["-o", "none/x.abc"], 1, "none/x.abc"),
    (["--format", "mid", "-n", "2"], 2, "one tune"),
    (["extra"], 2, "-p"),
    (["-m", "prose", "--regex", "a&&b["], 2, "--regex can't be used"),
    (["-m", "prose", "--regex", "[a&&b]"], 2, "no text can meet --regex"),
    (["-m", "prose", "--grammar", "none.lark"], 1, "none.lark: can't be read"),
    (["--regex", "a", "--json-schema", "x"], 2, "one of --regex, --grammar"),
    (["-m", "small", "--regex", "a"], 2, "for models of text"),
    (["-", "-p", "x"], 2, "one of -p, -f and stdin"),
    (["-p", "X:1\nK:G\n"], 1, "T:, the title, must follow X:"),
    (["--key", "H"], 2, "--key"),
    (["-m", "prose", "--key", "G"], 2, "no metre, key or bars"),
    (["--max-shared", "9"], 2, "add --novel"),
    (["--novel", "--corpus", "none.abc"], 1, "none.abc"),
    (["--lines"], 2, "--lines is for models of text"),
]


@pytest.mark.parametrize(("arguments", "status", "message"), BAD, ids=lambda value: str(value)[:40])
def test_bad_options_are_one_sentence(
    folder: Path, arguments: list[str], status: int, message: str
) -> None:
    done = sample(*arguments, cwd=folder, stdin=b"")
    stderr = done.stderr.decode()
    assert done.returncode == status, stderr
    assert stderr.startswith("seqgen: ")
    assert message in stderr
    assert stderr.count("\n") == 1
    assert done.stdout == b""


@pytest.mark.parametrize("model", ["small", "prose"])
def test_midi_is_no_prompt_of_tunes_or_text(folder: Path, model: str) -> None:
    (folder / "opening.mid").write_bytes(midi_of(TUNE + "ABcd|\n"))
    refused = sample("-m", model, "-f", "opening.mid", *SMALL, cwd=folder)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"only a model of MIDI can go on from MIDI" in refused.stderr


def test_midi_goes_to_files_and_pipes_and_a_summary_to_a_terminal(make_model: MakeModel) -> None:
    folder = make_model("transformer", name="events", scheme="remi", kind="midi").parent.parent
    piece = redirect(folder, "song.mid")
    assert notes(piece) > 5
    assert redirect(folder, "song") == piece
    assert sample(*SMALL, cwd=folder).stdout == piece
    events = sample("--format", "txt", *SMALL, cwd=folder).stdout.decode()
    assert events.startswith("Bar_None\nTimeSig_")
    assert events.count("\n") <= 60
    assert redirect(folder, "song.txt").decode() == events
    assert redirect(folder, "song.abc").startswith(b"X:1\nM:")
    done = sample(*SMALL, "-n", "2", "-o", "pieces/", cwd=folder)
    assert done.returncode == 0, done.stderr
    made = sorted((folder / "pieces").iterdir())
    assert [path.name for path in made] == ["events-1-1.mid", "events-1-2.mid"]
    assert made[0].read_bytes() == piece
    longer = sample("-", "--seed", "2", "--max-tokens", "90", cwd=folder, stdin=piece).stdout
    assert notes(longer) > notes(piece)

    status, shown = in_terminal([*COMMAND, *SMALL], cwd=folder)
    assert status == 0
    assert b"quarter notes a minute\r\n" in shown
    assert b"program " in shown
    for option in (["--meter", "6/8"], ["--unconstrained"], ["-n", "2"], ["-p", "X:1"]):
        refused = sample(*option, *SMALL, cwd=folder)
        assert refused.returncode in (1, 2)
        assert refused.stdout == b""
        assert refused.stderr.count(b"\n") == 1


def test_untrained_noise_that_is_no_tune_says_so(folder: Path) -> None:
    done = sample("--unconstrained", "--format", "mid", *SMALL, cwd=folder)
    assert done.returncode == 1
    assert b"could be played" in done.stderr


def test_with_stderr_closed_nothing_foreign_is_in_the_output(folder: Path) -> None:
    command = " ".join(COMMAND)
    done = subprocess.run(
        ["sh", "-c", f"{command} --seed 5 --max-tokens 60 2>&-"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    assert b"seed" not in done.stdout


def test_no_models_at_all(tmp_path: Path) -> None:
    done = sample(cwd=tmp_path)
    assert done.returncode == 1
    assert b"train one with `seqgen train`" in done.stderr
