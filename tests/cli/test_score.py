"""``seqgen score`` from a shell's side: columns, JSON, colours, pipes, errors and exit statuses."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from tests.support import TUNES, in_terminal

MakeModel = Callable[..., Path]
COMMAND = [sys.executable, "-m", "seqgen", "score"]
LINES = "to be\nor not\n\nto be"


def score(
    folder: Path, *arguments: str, stdin: str = "", status: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def folder(make_model: MakeModel) -> Path:
    folder = make_model(name="abc").parent.parent
    make_model(name="other", seed=1)
    make_model(name="prose", kind="text", text=LINES)
    (folder / "tunes.abc").write_text(TUNES)
    (folder / "prose.txt").write_text(LINES)
    return folder


def test_a_pipe_gets_columns_that_sort(folder: Path) -> None:
    done = score(folder, "-m", "prose", "--by", "line", stdin=LINES)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[-1] for row in rows] == ["to be", "or not", "", "to be"]
    assert [row[-2] for row in rows] == [f"<stdin>:{number}" for number in (1, 2, 3, 4)]
    assert [row[3] for row in rows] == ["6", "7", "1", "6"]  # with their ends
    assert rows[0][:4] == rows[3][:4]
    for bits, perplexity, log_likelihood, characters, *_ in rows:
        assert 2 ** float(bits) == pytest.approx(float(perplexity), rel=1e-3)
        nats = float(bits) * int(characters) * 0.6931
        assert -nats == pytest.approx(float(log_likelihood), abs=0.01)
    assert "20 characters in 4 lines: " in done.stderr
    assert score(folder, "-m", "prose", "--by", "line", "-q", stdin=LINES).stderr == ""


def test_json_says_the_same(folder: Path) -> None:
    columns = score(folder, "-m", "abc", "tunes.abc").stdout.splitlines()
    objects = score(folder, "-m", "abc", "tunes.abc", "--json").stdout.splitlines()
    for row, each in zip(columns, map(json.loads, objects), strict=True):
        assert row.split("\t") == [
            f"{each['bits_per_char']:.4f}",
            f"{each['perplexity']:.4f}",
            f"{each['log_likelihood']:.3f}",
            str(each["chars"]),
            f"{each['file']}:{each['line']}",
            each["title"],
        ]
    whole = json.loads(score(folder, "-m", "abc", "tunes.abc", "--json", "--by", "file").stdout)
    assert whole["chars"] == len(TUNES) - 1 + 2  # no empty line; that each tune ends
    assert "line" not in whole


def test_several_models_are_told_apart(folder: Path) -> None:
    single = {
        name: [
            row.split("\t")[0] for row in score(folder, "-m", name, "tunes.abc").stdout.splitlines()
        ]
        for name in ("abc", "other")
    }
    done = score(folder, "-m", "abc", "-m", "other", "tunes.abc")
    for place, line in enumerate(done.stdout.splitlines()):
        one, other, best, _, where, title = line.split("\t")
        assert (one, other) == (single["abc"][place], single["other"][place])
        assert best == ("abc" if float(one) < float(other) else "other")
        assert where.startswith("tunes.abc:")
        assert title.startswith("The ")
    each = json.loads(
        score(folder, "-m", "abc", "-m", "other", "tunes.abc", "--json").stdout.splitlines()[0]
    )
    assert f"{each['models'][each['best']]['bits_per_char']:.4f}" == min(
        single[name][0] for name in single
    )


def test_tokens_come_to_the_whole(folder: Path) -> None:
    rows = score(folder, "-m", "prose", "--tokens", "prose.txt").stdout.splitlines()
    cells = [row.split("\t") for row in rows]
    assert "".join(cell[2] for cell in cells) == LINES.replace("\n", "\\n")
    assert [cell[1] for cell in cells][-1] == "prose.txt:4"
    whole = json.loads(score(folder, "-m", "prose", "--json", "prose.txt").stdout)
    bits = sum(float(cell[0]) for cell in cells)
    assert bits == pytest.approx(whole["bits_per_char"] * len(LINES), abs=0.01)
    objects = score(folder, "-m", "prose", "--tokens", "--json", "prose.txt").stdout.splitlines()
    assert "".join(json.loads(each)["token"] for each in objects) == LINES


def test_midi_is_counted_in_events(make_model: MakeModel, folder: Path) -> None:
    make_model(name="midi", scheme="remi", kind="midi")
    subprocess.run(
        [sys.executable, "-m", "seqgen", "convert", "tunes.abc", "--tune", "1", "one.mid"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    each = json.loads(score(folder, "-m", "midi", "--json", "one.mid").stdout)
    assert each["events"] == each["tokens"] > 10
    assert "bits_per_event" in each
    assert "leave" not in score(folder, "-m", "midi", "one.mid").stderr
    score(folder, "-m", "midi", "--by", "line", "one.mid", status=2)


def shown(folder: Path, *arguments: str, **environment: str) -> str:
    names = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    names |= {"TERM": "xterm-256color", "COLUMNS": "100", **environment}
    status, sent = in_terminal([*COMMAND, *arguments], cwd=folder, env=names)
    assert status == 0
    return sent.decode().replace("\r\n", "\n")


def test_a_terminal_gets_a_table_and_colours(folder: Path) -> None:
    head, *rows = shown(folder, "-m", "abc", "tunes.abc").splitlines()
    assert head.split() == ["bits/char", "perplexity", "log-lik.", "chars", "where", "title"]
    assert len(rows) == 2
    for row in rows:
        assert row.index("The ") == head.index("title")
    painted = shown(folder, "-m", "prose", "--tokens", "prose.txt")
    assert "\x1b[38;5;16;48;5;" in painted
    plain = shown(folder, "-m", "prose", "--tokens", "prose.txt", NO_COLOR="1")
    assert "\x1b" not in plain
    assert len(plain.splitlines()) == len(LINES)


def score_lines(folder: Path) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]:
    """A process that scores what is written to it, and its two pipes."""
    process = subprocess.Popen(
        [*COMMAND, "-m", "prose", "--by", "line", "-"], cwd=folder,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    return process, process.stdin, process.stdout


def test_what_is_there_is_scored_at_once(folder: Path) -> None:
    process, stdin, stdout = score_lines(folder)
    for number in (1, 2):
        stdin.write(b"to be\n")
        stdin.flush()
        assert b"<stdin>:%d\tto be" % number in stdout.readline()
    _, errors = process.communicate()
    assert b"12 characters in 2 lines" in errors


def test_a_closed_pipe_ends_it_quietly(folder: Path) -> None:
    process, stdin, stdout = score_lines(folder)
    assert process.stderr is not None
    stdin.write(b"to be\n")
    stdin.flush()
    stdout.readline()
    stdout.close()
    with contextlib.suppress(BrokenPipeError):
        stdin.write(b"to be\n" * 1000)
        stdin.close()
    process.wait()
    assert process.stderr.read() == b""
    process.stderr.close()


def test_characters_that_no_vocabulary_has_are_named(folder: Path) -> None:
    done = score(folder, "-m", "prose", "-", stdin="naïve ☃☃\a")
    assert "\N{SNOWMAN} (2)" in done.stderr
    assert "U+0007 (1)" in done.stderr
    assert "prose has not learnt count as the half bytes they are spelled in" in done.stderr
    assert "not learnt" not in score(folder, "-m", "prose", "-", stdin="to be").stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "sentence"),
    [
        (["-m", "prose", "-"], "", 1, "<stdin>: is empty; there is nothing to score"),
        (["-m", "abc", "-"], "", 1, "<stdin>: holds no tune"),
        (["-m", "abc", "prose.txt"], "", 1, "prose.txt: holds no tune"),
        (["-m", "prose", "none.txt"], "", 1, "none.txt: can't be read: no such file"),
        (["-m", "prose", "-"], "a\0b", 1, "<stdin>: is a binary file"),
        (["-m", "none"], "", 1, "none: no such model"),
        (["-m", "prose", "--by", "tune", "-"], "", 2, "--by tune is for models of tunes"),
        (["-m", "prose", "-m", "abc", "-"], "", 2, "one model learnt text, another abc"),
        (["-m", "abc", "-m", "other", "--tokens"], "", 2, "--tokens shows what one model"),
        (["-m", "prose", "--by", "word", "-"], "", 2, "word"),
    ],
)
def test_what_cannot_be(
    arguments: list[str], stdin: str, status: int, sentence: str, folder: Path
) -> None:
    done = score(folder, *arguments, stdin=stdin, status=status)
    assert done.stdout == ""
    assert sentence in done.stderr
    assert " in 0 " not in done.stderr


def test_no_lines_are_no_error(folder: Path) -> None:
    done = score(folder, "-m", "prose", "--by", "line", "-")
    assert done.stdout == ""
    assert done.stderr == "0 characters in 0 lines\n"


def test_with_stdin_closed_there_is_nothing_to_score(folder: Path) -> None:
    done = subprocess.run(
        f"{' '.join(COMMAND)} -m prose <&-",
        cwd=folder,
        shell=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(b"seqgen: <stdin>: is empty")


def test_one_bad_file_does_not_hide_the_others(folder: Path) -> None:
    (folder / "bad.txt").write_bytes(b"to be\nor \xff")
    done = score(folder, "-m", "prose", "bad.txt", "prose.txt", "--json", status=1)
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == ["prose.txt"]
    assert "bad.txt:2: byte 9 (0xff) is not UTF-8" in done.stderr


def test_tunes_learnt_without_titles_are_scored_without(
    make_model: MakeModel, folder: Path
) -> None:
    from seqgen import checkpoint

    path = make_model(name="untitled")
    saved = checkpoint.load(path)
    saved.card.corpus["strip"] = "titles"
    checkpoint.save(path, saved.card, saved.weights)
    renamed = TUNES.replace("X:1", "X:77").replace("The First", "Another")
    rows = [
        score(folder, "-m", "untitled", "-", stdin=text).stdout.splitlines()[0].split("\t")
        for text in (TUNES, renamed)
    ]
    assert rows[0][:4] == rows[1][:4]
    assert (rows[0][5], rows[1][5]) == ("The First", "Another")
    assert (
        "lines left out"
        in score(folder, "-m", "untitled", "-m", "abc", "tunes.abc", status=2).stderr
    )
