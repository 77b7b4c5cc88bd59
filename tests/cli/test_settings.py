"""The configuration file: what it sets, what goes before it, and what is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

MakeModel = Callable[..., Path]


def seqgen(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seqgen", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(make_model: MakeModel) -> Path:
    make_model(name="other", kind="text", seed=1)
    return make_model(name="prose", kind="text").parent.parent


def drawn(folder: Path, *arguments: str, **environment: str) -> str:
    done = seqgen("sample", "--seed", "1", *arguments, cwd=folder, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(
    folder: Path,
) -> None:
    (folder / "own.toml").write_text(
        '[sample]\nmodel = "other"\nmax_tokens = 20\n"temperature" = 0.5\nstop = ["q", "z"]\n'
        "top-k = 3\nquiet = true\n"
    )
    file = {"SEQGEN_CONFIG": "own.toml"}
    options = ["--max-tokens=20", "--temperature=0.5", "--stop=q", "--stop=z", "--top-k=3"]
    by_file = drawn(folder, **file)
    assert by_file == drawn(folder, "-m", "other", *options)
    prose = drawn(folder, "-m", "prose", *options)
    assert prose != by_file
    assert drawn(folder, **file, SEQGEN_MODEL="prose") == prose
    assert drawn(folder, "-m", "other", **file, SEQGEN_MODEL="prose") == by_file
    assert by_file.startswith(drawn(folder, "--max-tokens", "1", **file)[:1])
    assert len(drawn(folder, "--max-tokens", "5", **file)) < len(by_file)
    assert seqgen("sample", cwd=folder, **file).stderr == ""


def test_the_model_of_the_environment_serves_every_command(folder: Path) -> None:
    (folder / "text").write_text("to be")
    for command in (["show"], ["score", "-v", "text"]):
        for name in ("prose", "other"):
            done = seqgen(*command, cwd=folder, SEQGEN_MODEL=name)
            assert f"{name}.safetensors" in done.stdout + done.stderr


def test_config_prints_what_is_set_and_by_what(folder: Path) -> None:
    (folder / "own.toml").write_text('[sample]\nmax_tokens=20\nstop="q"\n[corpus.list]\n')
    done = seqgen("config", cwd=folder, SEQGEN_CONFIG="own.toml", SEQGEN_MODEL="a b")
    first, *rest = done.stdout.splitlines()
    assert first == "# own.toml"
    assert "max-tokens = 20  # the file" in rest
    assert 'model = "a b"  # SEQGEN_MODEL' in rest
    values = tomllib.loads(done.stdout)
    assert values["sample"] == {"model": "a b", "max-tokens": 20, "stop": ["q"]}
    # What it prints is a file that says the same.
    (folder / "again.toml").write_text(done.stdout)
    again = seqgen("config", cwd=folder, SEQGEN_CONFIG="again.toml").stdout
    assert tomllib.loads(again)["sample"] == values["sample"]


def test_where_the_file_is(folder: Path) -> None:
    environment = {name: str(folder) for name in ("XDG_CONFIG_HOME", "HOME", "APPDATA")}
    without = {name: value for name, value in os.environ.items() if name != "SEQGEN_CONFIG"}
    done = subprocess.run(
        [sys.executable, "-m", "seqgen", "config", "--path"],
        env={**without, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    path = Path(done.stdout.strip())
    assert path.name == "config.toml"
    assert path.parent.name == "seqgen"
    assert path.is_relative_to(folder)
    (folder / "x.toml").write_text("")
    assert seqgen("config", "--path", cwd=folder, SEQGEN_CONFIG="x.toml").stdout == "x.toml\n"
    assert seqgen("config", cwd=folder, SEQGEN_CONFIG="").stdout == "# no file\n"


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("[show]\nnone = 1", 2, "own.toml: [show] none is no option of `seqgen show`"),
        ("[play]\ntun = 1", 2, "own.toml: [play] tun is no option of `seqgen play`; perhaps tune"),
        ("[smple]", 2, "own.toml: [smple] is no command; perhaps sample"),
        ("[sample]\ntop-k = 'many'", 2,
         "own.toml: [sample] top-k must be a valid integer, not 'many'\n"),
        ("[sample]\nbest-of = 0", 2,
         "own.toml: [sample] best-of must be greater than or equal to 1, not 0\n"),
        ("[sample]\nformat = 'wav'", 2,
         "own.toml: [sample] format: 'wav' is not one of 'abc', 'txt', 'mid'\n"),
        ("[sample]\ntop-k = [1, 2]", 2, "own.toml: [sample] top-k must be one value"),
        ("[sample]\ntop-k = true", 2, "own.toml: [sample] top-k must be a text or a number"),
        ("[sample]\nquiet = 1", 2, "own.toml: [sample] quiet must be true or false"),
        ("[sample]\nhelp = true", 2, "own.toml: [sample] help is no option"),
        ("sample = 1", 2, "own.toml: [sample] must be a table"),
        ("[corpus.lst]", 2, "own.toml: [corpus] lst is no command; perhaps list"),
        ("[sample", 1, "own.toml: is no TOML: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_file_and_key(
    tmp_path: Path, text: str, status: int, message: str
) -> None:
    (tmp_path / "own.toml").write_text(text)
    done = seqgen("config", cwd=tmp_path, SEQGEN_CONFIG="own.toml")
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"seqgen: {message}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "arguments", "status", "message"),
    [
        ("temperature = -1", [], 2, "own.toml: [sample] temperature must be at least 0 and"),
        ("temp = 'warm'", [], 2, "own.toml: [sample] temperature must be a number, or two"),
        ("meter = 'wide'", [], 2, "own.toml: [sample] meter: 'wide' is no metre; expected"),
        ("logit_bias = ['a=1', 'zz']", [], 2, "own.toml: [sample] logit-bias must be TOKEN=VALUE"),
        ("num-samples = 3", ["--jsonl"], 2,
         "own.toml: [sample] num-samples: prompts come from stdin, a line each: drop -p, -f and"),
        ("model = 'nix'", [], 1, "own.toml: [sample] model: nix: no such model"),
        # What stands on the command line is not the file's fault.
        ("temperature = 0.5\nkey = 'G'", ["--temperature=-1"], 2, "temperature must be"),
        ("temperature = 0.5\nkey = 'G'", ["--meter=G"], 2, "--meter: 'G' is no metre"),
        ("model = 'nix'", ["-m", "nix"], 1, "nix: no such model"),
    ],
)  # fmt: skip
def test_a_value_that_a_command_refuses_is_named_with_file_and_key(
    tmp_path: Path, text: str, arguments: list[str], status: int, message: str
) -> None:
    (tmp_path / "own.toml").write_text(f"[sample]\n{text}\n")
    done = subprocess.run(
        [sys.executable, "-m", "seqgen", "sample", *arguments],
        cwd=tmp_path,
        env={**os.environ, "SEQGEN_CONFIG": "own.toml"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"seqgen: {message}")
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    done = seqgen("config", cwd=tmp_path, SEQGEN_CONFIG="none.toml")
    assert done.returncode == 1
    assert "none.toml: can't be read" in done.stderr
