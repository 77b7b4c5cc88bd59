"""``seqgen convert`` and ``seqgen check``."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from seqgen import checkpoint
from seqgen.cli.convert import safe_name
from seqgen.cli.main import app
from seqgen.errors import InputError, OutputError, SeqgenError, UsageError
from seqgen.music.midi import read

GOOD = "X:1\nT:Blackbird\nM:4/4\nL:1/8\nK:D\nABcd efga|\n"
SHORT = "X:2\nT:Thrush\nM:4/4\nL:1/8\nK:G\nGABc dBGA|GABc dBG|G8|\n"
BAD = "X:3\nT:Crow\nK:C\nAB[ce|\n"


@pytest.fixture(autouse=True)
def _tunes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.abc").write_text(GOOD)
    Path("book.abc").write_text("\n".join((GOOD, BAD, SHORT)))


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


def problem(result: Result) -> str:
    assert isinstance(result.exception, SeqgenError)
    return str(result.exception)


def test_one_tune_to_one_file() -> None:
    assert run("convert", "good.abc", "good.mid").exit_code == 0
    (track,) = read(Path("good.mid").read_bytes()).tracks
    assert [note.pitch for note in track.notes] == [69, 71, 73, 74, 76, 78, 79, 81]


def test_nothing_is_replaced_without_force() -> None:
    Path("good.mid").write_bytes(b"precious")
    result = run("convert", "good.abc", "good.mid")
    assert isinstance(result.exception, OutputError)
    assert problem(result) == "good.mid exists; --force replaces it"
    assert Path("good.mid").read_bytes() == b"precious"
    assert run("convert", "--force", "good.abc", "good.mid").exit_code == 0
    assert Path("good.mid").read_bytes().startswith(b"MThd")


def test_a_book_to_a_folder_converts_what_it_can_and_names_the_rest() -> None:
    result = run("convert", "book.abc", "out/")
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "0001-Blackbird.mid", "0003-Thrush.mid",
    ]  # fmt: skip
    assert problem(result) == "1 of 3 tunes could not be converted"
    assert result.stderr.startswith("seqgen: book.abc:11:3: this [ begins a chord")
    assert "(tune Crow)" in result.stderr


def test_several_tunes_do_not_fit_one_midi_file() -> None:
    result = run("convert", "book.abc", "book.mid")
    assert isinstance(result.exception, UsageError)
    assert "--tune N" in problem(result)
    assert not Path("book.mid").exists()


def test_one_tune_of_a_book_can_be_chosen() -> None:
    assert run("convert", "--tune", "3", "book.abc", "thrush.mid").exit_code == 0
    assert len(read(Path("thrush.mid").read_bytes()).tracks[0].notes) == 16
    assert "there is no tune 4; 3 were read" in problem(
        run("convert", "--tune", "4", "book.abc", "x.mid")
    )


def test_from_stdin_to_stdout() -> None:
    result = run("convert", "-", "-", stdin=GOOD.encode())
    assert result.stdout_bytes.startswith(b"MThd")
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.abc", b"X:1\n"), ("a.xml", b"<?xml"), ("a.wav", b"RIFF"), ("a.b", b"MThd")],
)
def test_a_redirection_is_known_by_its_name(tmp_path: Path, name: str, begins: bytes) -> None:
    with (tmp_path / name).open("wb") as out:
        command = [sys.executable, "-m", "seqgen", "convert", "good.abc", "-"]
        subprocess.run(command, cwd=tmp_path, stdout=out, check=True)
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_stamp_stays_with_the_tune_that_it_draws() -> None:
    stamp = '%%seqgen 0123456789abcdef 7 0 {"min_p":0.05}'
    Path("drawn.abc").write_text(f"{stamp}\n{GOOD}")
    assert stamp in run("convert", "drawn.abc", "-", "--to", "abc").stdout
    moved = run("convert", "--transpose", "2", "drawn.abc", "-", "--to", "abc").stdout
    assert "K:E\n" in moved
    assert "%%seqgen" not in moved


def test_accompaniment_and_swing_are_heard() -> None:
    Path("chords.abc").write_text(GOOD.replace("ABcd", '"D"ABcd'))
    assert run("convert", "--chords", "--swing", "2", "chords.abc", "c.mid").exit_code == 0
    melody, chords = read(Path("c.mid").read_bytes()).tracks
    assert chords.name == "Chords"
    assert [note.onset for note in melody.notes[:3]] == [0, 320, 480]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("good.abc",), UsageError, "needs what to read and where to write"),
        (("good.abc", "good.xyz"), UsageError, "can't write '.xyz'"),
        (("good.xyz", "good.mid"), InputError, "can't be|can't read"),
        (("missing.abc", "good.mid"), InputError, "no such file"),
        (("empty.abc", "good.mid"), InputError, "holds no tune"),
        (("latin.abc", "good.mid"), InputError, "--encoding"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: tuple[str, ...], error: type[SeqgenError], message: str
) -> None:
    Path("empty.abc").touch()
    Path("latin.abc").write_bytes(GOOD.replace("Blackbird", "Amélie").encode("latin-1"))
    result = run("convert", *arguments)
    assert isinstance(result.exception, error)
    assert any(part in problem(result) for part in message.split("|"))
    assert not Path("good.mid").exists()


def test_other_encodings_are_read_by_name() -> None:
    Path("latin.abc").write_bytes(GOOD.replace("Blackbird", "Amélie").encode("latin-1"))
    assert run("convert", "--encoding", "latin-1", "latin.abc", "out/").exit_code == 0
    assert [path.name for path in Path("out").iterdir()] == ["0001-Amelie.mid"]


@pytest.mark.parametrize(
    ("title", "name"),
    [("../../etc/passwd", "etc-passwd"), ("", "tune"), ("\x1b]0;x\x07", "0-x"), ("夢", "tune"),
     ("The Cat's Ear, No. 2", "The-Cats-Ear-No-2"), ("a" * 300, "a" * 60), ("-rf", "rf")],
)  # fmt: skip
def test_titles_make_safe_names(title: str, name: str) -> None:
    assert safe_name(title) == name


def test_check_shows_each_problem_with_its_line_and_a_mark() -> None:
    result = run("check", "book.abc")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "book.abc:11:3: error: this [ begins a chord that is not closed; expected ] in its bar",
        "    AB[ce|",
        "      ^",
        "book.abc:18:11: warning: this bar lasts 7/8, the metre is 4/4",
        "    GABc dBGA|GABc dBG|G8|",
        "              ^~~~~~~~",
    ]
    assert result.stderr == "2 problems in 3 tunes\n"


def test_check_of_a_good_file_prints_nothing() -> None:
    result = run("check", "good.abc")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "0 problems in 1 tune\n")


def test_check_for_scripts() -> None:
    quiet = run("check", "-q", "book.abc")
    assert (quiet.exit_code, quiet.output) == (1, "")
    objects = [json.loads(line) for line in run("check", "--json", "book.abc").stdout.splitlines()]
    assert objects[1] == {
        "file": "book.abc", "tune": "2", "code": "bar-length", "severity": "warning", "line": 18,
        "column": 11, "length": 8, "message": "this bar lasts 7/8, the metre is 4/4",
    }  # fmt: skip


def test_check_goes_on_after_a_file_that_can_not_be_read() -> None:
    result = run("check", "missing.abc", "good.abc")
    assert result.exit_code == 1
    assert "missing.abc: can't be read" in result.stderr
    assert "in 1 tune" in result.stderr


def test_neither_loads_anything_heavy() -> None:
    code = (
        "import sys; sys.argv = ['seqgen', 'convert', 'good.abc', 'g.mid']\n"
        "from seqgen.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('tensorflow', 'keras', 'music21', 'mido', 'h5py') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
    assert Path("g.mid").exists()


def test_a_model_of_half_the_size(make_model: Callable[..., Path]) -> None:
    path = make_model()
    half, whole = "half.safetensors", "whole.safetensors"
    assert run("convert", str(path), half).exit_code == 0
    assert run("convert", half, whole, "--weights", "float32").exit_code == 0
    assert checkpoint.load(half).storage == "float16"
    assert checkpoint.load(whole).storage == "float32"
    weights = checkpoint.load(half).weights
    assert all((weights[name] == w).all() for name, w in checkpoint.load(whole).weights.items())
    result = run("convert", str(path), half)
    assert isinstance(result.exception, OutputError)
    assert problem(result) == "half.safetensors exists; --force replaces it"
    saved = checkpoint.load(path)
    card = dataclasses.replace(saved.card, progress={"step": 1})
    checkpoint.save(path, card, saved.weights)
    result = run("convert", str(path), half, "--force")
    assert isinstance(result.exception, UsageError)
    assert "is an interrupted run; end it with" in problem(result)
    assert "one to read" in problem(run("convert", half, whole, "x.safetensors"))
