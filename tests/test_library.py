"""seqgen as a library: what the command line does, without the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import seqgen
from seqgen import load
from seqgen.errors import CheckpointError, InputError, UsageError
from seqgen.library import Options
from seqgen.music.abc.grammar import Grammar
from tests.support import TUNES

MakeModel = Callable[..., Path]
TUNE = TUNES.split("\n\n", 1)[0] + "\n"


def seqgen_says(*arguments: str | Path, stdin: str = "") -> str:
    return subprocess.run(
        [sys.executable, "-m", "seqgen", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_it_draws_what_the_command_draws(make_model: MakeModel) -> None:
    path = make_model()
    drawn = load(path).sample("X:1\n", 2, seed=7, temperature=0.8, top_k=9, max_tokens=99)
    said = seqgen_says(
        *("sample", "-m", path, "-p", "X:1\n", "-n2", "--seed=7", "--temperature=0.8"),
        *("--top-k=9", "--max-tokens=99", "--format=abc", "--no-stamp"),
    )
    assert "\n".join(drawn) == said
    assert all(Grammar().fault(text) is None for text in drawn)


def test_tunes_are_drawn_without_unlikely_tokens_unless_asked_otherwise(
    make_model: MakeModel,
) -> None:
    for kind, usual, other in (("abc", 0.05, 0.0), ("text", 0.0, 0.05)):
        model = load(make_model(name=kind, kind=kind))
        # The model is untrained: only a low temperature makes tokens unlikely.
        drawn = [
            model.sample(seed=1, max_tokens=99, temperature=0.3, min_p=share)
            for share in (None, usual, other)
        ]
        assert drawn[0] == drawn[1] != drawn[2]


def test_a_stream_joined_is_the_sample(make_model: MakeModel) -> None:
    model = load(make_model(kind="text"))
    drawn = model.sample("to", 3, seed=1, max_tokens=30)
    pieces = list(model.stream("to", number=2, seed=1, max_tokens=30))
    assert len(pieces) > 5
    assert "".join(pieces).rstrip("\n") == drawn[2].rstrip("\n")


def test_conditions_and_grammars_hold(make_model: MakeModel) -> None:
    tunes = load(make_model())
    (tune,) = tunes.sample(seed=1, meter="6/8", range="C-c'")
    assert "M:6/8\n" in tune
    text = load(make_model(name="prose", kind="text"))
    asked: list[Options] = [
        {"regex": "[a-c]{4}"},
        {"grammar": "start: /[a-c]{4}/"},
        {"json_schema": {"enum": [7]}},
    ]
    for each in asked:
        drawn = text.sample(seed=1, max_tokens=9, **each)
        assert drawn == ["7\n"] if "json_schema" in each else len(drawn[0]) == 5
        assert set(drawn[0]) <= set("abc7\n")


def test_each_option_is_that_of_the_command(make_model: MakeModel, tmp_path: Path) -> None:
    """Wherever the command has an option that says what is drawn, the library has it too."""
    from typer.main import get_command

    from seqgen.cli.main import app

    command = get_command(app).commands["sample"]  # type: ignore[attr-defined]
    named = {each.opts[0].removeprefix("--").replace("-", "_") for each in command.params}
    # Where it goes and what is said of it; "n" and "prompt" are the first two arguments.
    elsewhere = {"stdin", "model", "num_samples", "first", "seed", "prompt", "prompt_file"}
    elsewhere |= {"output", "format", "stamp", "port", "explain", "lines", "jsonl", "json"}
    elsewhere |= {"jobs", "logprobs", "force", "quiet", "verbose", "debug", "help"}
    assert set(Options.__annotations__) - {"final_temperature"} == named - elsewhere

    path, text = make_model(), "X:1\nT:x\nM:2/4\nL:1/8\nK:G\nG4|?|G4|]\n"
    (tmp_path / "gap.abc").write_text(text)
    (tmp_path / "tunes.abc").write_text(TUNES)
    corpus = str(tmp_path / "tunes.abc")
    cases: list[tuple[Options, list[str]]] = [
        ({"best_of": 3, "max_tokens": 80}, ["--best-of=3", "--max-tokens=80"]),
        ({"key": "Ador", "bars": 4, "form": "AAB", "echo": None},
         ["--key=Ador", "--bars=4", "--form=AAB"]),
        ({"infill": text}, [f"--infill={tmp_path / 'gap.abc'}"]),
        ({"unconstrained": True, "max_tokens": 50, "temperature": "0.5..0.9"},
         ["--unconstrained", "--max-tokens=50", "--temperature=0.5..0.9"]),
        ({"novel": True, "corpus": [corpus], "max_shared": 3, "bars": 4},
         ["--novel", "--corpus", corpus, "--max-shared=3", "--bars=4"]),
        ({"stop": ["|"], "max_tokens": 60, "logit_bias": {"G": -3.0}, "unit_length": "1/8"},
         ["--stop=|", "--max-tokens=60", "--logit-bias=G=-3", "--unit-length=1/8"]),
    ]  # fmt: skip
    for options, typed in cases:
        drawn = load(path).sample(n=2, seed=3, first=1, **options)
        common = ["-n2", "--seed=3", "--first=1", "--format=abc", "--no-stamp"]
        assert "\n".join(drawn) == seqgen_says("sample", "-m", path, *typed, *common)


def test_how_each_sample_ended_and_how_likely_it_was(make_model: MakeModel) -> None:
    path = make_model(kind="text")
    model = load(path)
    (sample,) = model.sampler("to", seed=1, max_tokens=5).samples([0])
    said = json.loads(
        seqgen_says(
            *("sample", "-m", path, "-p", "to", "--seed=1", "--max-tokens=5"),
            *("--json", "--logprobs=2"),
        )
    )
    assert sample.opening + sample.text == said["text"]
    assert sample.ending.reason == said["finish_reason"]
    found = model.logprobs(sample, 2)
    assert len(found) == len(said["logprobs"]) == 5
    for own, other in zip(found, said["logprobs"], strict=True):
        assert (own.token, round(own.logprob, 6)) == (other["token"], other["logprob"])
        assert [token for token, _ in own.likeliest] == [e["token"] for e in other["top_logprobs"]]


@pytest.mark.parametrize("kind", ["abc", "text"])
def test_it_scores_what_the_command_scores(make_model: MakeModel, kind: str) -> None:
    path = make_model(kind=kind)
    said = json.loads(seqgen_says("score", "-m", path, "--json", "-", stdin=TUNE))
    score = load(path).score(TUNE)
    assert score.bits_per_char == pytest.approx(said["bits_per_char"])
    assert score.perplexity == pytest.approx(said["perplexity"])


def test_midi_is_scored_by_event(make_model: MakeModel) -> None:
    model = load(make_model("transformer", scheme="remi", kind="midi"))
    (piece,) = model.sample(seed=1, max_tokens=60)
    assert model.score(piece).units == len(piece.split()) + 1


def test_errors_are_seqgens(make_model: MakeModel, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such model"):
        load(tmp_path / "none")
    model = load(make_model())
    with pytest.raises(UsageError, match="temperature"):
        model.sample(temperature=-1.0)
    wrong: list[Options] = [
        {"best_of": 0}, {"key": "H"}, {"infill": "?", "best_of": 2}, {"max_shared": 3},
        {"novel": True, "max_shared": 0}, {"unconstrained": True, "bars": 4}, {"regex": "a"},
        {"novel": True}, {"stop": ""},
    ]  # fmt: skip
    for options in wrong:
        with pytest.raises(UsageError):
            model.sample(**options)
    with pytest.raises(UsageError, match="no option 'heat'"):
        model.sample(heat=1.0)  # type: ignore[call-arg]
    for numbers in ({"n": 0}, {"first": -1}, {"seed": -1}):
        with pytest.raises(UsageError, match=r"from 0|0 or more"):
            model.sample(**numbers)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="empty"):
        model.score("")


def test_a_new_seed_each_time(make_model: MakeModel) -> None:
    model = load(make_model(kind="text"))
    assert model.sample(max_tokens=50) != model.sample(max_tokens=50)


def test_importing_seqgen_alone_loads_nothing() -> None:
    code = "import sys, seqgen; print(sorted({m.split('.')[0] for m in sys.modules}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "numpy" not in shown.stdout
    assert "typing" not in shown.stdout
    code = "import sys, seqgen; seqgen.load; print(sorted({m.split('.')[0] for m in sys.modules}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "numpy" in shown.stdout
    for heavy in ("tensorflow", "keras", "music21", "typer", "rich"):
        assert heavy not in shown.stdout
    with pytest.raises(AttributeError, match="no attribute 'none'"):
        seqgen.none  # noqa: B018
