"""``seqgen sample`` in a pipeline: many prompts in, lines and JSON out, and what breaks pipes."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seqgen import checkpoint, load
from seqgen.cli import prompts
from seqgen.cli.records import Records
from seqgen.config import sampling
from seqgen.errors import UsageError
from seqgen.music.abc.grammar.conditions import Conditions
from seqgen.sampling.recipe import Recipe
from tests.support import TUNES, seqgen

MakeModel = Callable[..., Path]
COMMAND = [sys.executable, "-m", "seqgen", "sample"]
PROSE = ["-m", "prose", "--seed", "1", "--max-tokens", "30", "-q"]


@pytest.fixture
def folder(make_model: MakeModel) -> Path:
    make_model("lstm", name="tunes")
    make_model("transformer", name="events", scheme="remi", kind="midi")
    return make_model("transformer", name="prose", kind="text").parent.parent


def sample(
    *arguments: str, cwd: Path, stdin: str | bytes = ""
) -> subprocess.CompletedProcess[bytes]:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, input=data, capture_output=True, timeout=100, check=False
    )


LINES = [f"{'The line of number ' * (number % 7)}{number}" for number in range(70)] + ["", "x"]


def test_each_line_is_answered_as_it_would_be_alone(folder: Path) -> None:
    done = sample("--lines", *PROSE, cwd=folder, stdin="\n".join(LINES))
    assert done.returncode == 0, done.stderr
    written = done.stdout.decode().split("\n")
    assert written[-1] == ""
    assert len(written) == len(LINES) + 1
    model = load(folder / "checkpoints" / "prose.safetensors")
    for number, (line, prompt) in enumerate(zip(written, LINES, strict=False)):
        alone = model.sampler(prompt=prompt, seed=1, max_tokens=30, stop=("\n",))
        assert line + "\n" == alone.text(number)

    without = sample("--lines", "--no-echo", *PROSE, cwd=folder, stdin="\n".join(LINES))
    bare = without.stdout.decode().split("\n")
    assert [prompt + each for prompt, each in zip(LINES, bare, strict=False)] == written[:-1]
    later = sample("--lines", "--first", "70", *PROSE, cwd=folder, stdin="\r\n".join(LINES[70:]))
    assert later.stdout.decode().split("\n") == written[70:]


def test_lines_are_answered_as_they_come(folder: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--lines", *PROSE], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for line in (b"one", b"two"):
        process.stdin.write(line + b"\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(line)
    process.communicate(timeout=60)
    assert process.returncode == 0


OBJECTS: list[dict[str, object]] = [
    {"id": "a", "prompt": "To be"},
    {"id": 7, "prompt": "or not", "n": 3, "max_tokens": 9},
    {"prompt": "x", "seed": 5, "n": 2, "temperature": 0.5, "logit_bias": {"e": "-inf"}},
    {"id": None, "prompt": "a long prompt that others are not", "stop": ["e", "t"]},
    {},
]


def test_objects_are_answered_in_order(folder: Path) -> None:
    asked = "\n\n".join(json.dumps(each) for each in OBJECTS)
    done = sample("--jsonl", *PROSE, cwd=folder, stdin=asked)
    assert done.returncode == 0, done.stderr
    drawn = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["seed"], each["number"]) for each in drawn] == [
        (1, 0), (1, 1), (1, 2), (1, 3), (5, 0), (5, 1), (1, 4), (1, 5),
    ]  # fmt: skip
    assert [each.get("id", "none") for each in drawn] == [
        "a",
        7,
        7,
        7,
        "none",
        "none",
        None,
        "none",
    ]
    model = load(folder / "checkpoints" / "prose.safetensors")
    begun = ["To be", *["or not"] * 3, "x", "x", "a long prompt that others are not", ""]
    for each, prompt in zip(drawn, begun, strict=True):
        assert each["text"].startswith(prompt)
        assert each["finish_reason"] in ("stop", "length", "end")
        assert (each["finish_reason"] == "length") == (
            each["tokens"] == each["options"]["max_tokens"]
        )
    alone = model.sampler(
        prompt="x", seed=5, max_tokens=30, temperature=0.5, logit_bias={"e": -math.inf}
    )
    assert [each["text"] for each in drawn[4:6]] == [
        text.removesuffix("\n") for text in alone.texts(range(2))
    ]


TUNES_ASKED: list[tuple[dict[str, object], Conditions | None]] = [
    ({}, Conditions(key="G", bars=4)),
    ({"meter": "6/8", "n": 2}, Conditions(meter="6/8", key="G", bars=4)),
    ({"key": "D", "bars": 6, "form": "AAB"}, Conditions(key="D", bars=6, form="AAB")),
    ({"unit_length": "1/8", "rhythm": "jig", "title": "The"},
     Conditions(key="G", unit="1/8", bars=4, rhythm="jig", title="The")),
    ({"range": "D-d", "temperature": "0.5..0.9"},
     Conditions(key="G", bars=4, lowest=62, highest=74)),
    ({"unconstrained": True, "max_tokens": 40, "temperature": 0.5}, None),
    ({"best_of": 3, "echo": False, "prompt": "X:1\nT:a\n"}, Conditions(key="G", bars=4)),
]  # fmt: skip


def test_each_line_says_what_its_tune_is(make_model: MakeModel) -> None:
    model = make_model("lstm", name="tunes", text=TUNES + "R:jig Cg")
    folder = model.parent.parent
    lines = "\n".join(json.dumps(asked | {"seed": 5}) for asked, _ in TUNES_ASKED)
    arguments = ["-m", "tunes", "--key", "G", "--bars", "4", "--temp", "0.8..0.7", "-q"]
    done = sample("--jsonl", *arguments, cwd=folder, stdin=lines)
    assert done.returncode == 0, done.stderr
    drawn = iter(done.stdout.splitlines(keepends=True))
    saved = checkpoint.load(model)
    for asked, conditions in TUNES_ASKED:
        changes: dict[str, object] = {"temperature": 0.8, "final_temperature": 0.7}
        if "range" in asked:
            changes = {"temperature": 0.5, "final_temperature": 0.9}
        if "unconstrained" in asked:
            changes = {"temperature": 0.5, "max_tokens": 40}
        recipe = Recipe(
            sampling("abc", **changes),
            str(asked.get("prompt", "")),
            conditions,
            best_of=3 if "best_of" in asked else 1,
            echo="echo" not in asked,
        )
        sampler = recipe.sampler(saved, 5)
        for each in sampler.samples(range(2 if "n" in asked else 1)):
            assert next(drawn).decode() == Records(recipe, None, True).line(sampler, each, {})
    again = seqgen("replay", "-", cwd=folder, stdin=done.stdout)
    assert again.stdout == done.stdout


def test_a_stamp_is_no_part_of_a_tunes_prompt(make_model: MakeModel) -> None:
    tunes, prose = make_model(name="tunes"), make_model(name="prose", kind="text")
    stamp = '%%seqgen 0123456789abcdef 1 0 {"top_k":3}\n'
    begun = "X:1\nT:The First\nM:2/4\nL:1/8\nK:G\nG2 "
    assert load(tunes).sample(stamp + begun, seed=5) == load(tunes).sample(begun, seed=5)
    kept = load(prose).sample(stamp + begun, seed=5, max_tokens=9)
    assert kept[0].startswith(stamp)
    asked = [{"prompt": each + begun, "seed": 5} for each in ("", stamp, 2 * stamp)]
    stdin = "\n".join(map(json.dumps, asked))
    done = sample("--jsonl", "-m", "tunes", "-q", cwd=tunes.parent.parent, stdin=stdin)
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert json.loads(first)["text"].startswith(begun)
    assert others == [first] * 2


def test_each_line_says_what_its_text_is(folder: Path) -> None:
    pytest.importorskip("llguidance")
    asked = [
        {"regex": "[ab]{4}"},
        {"json_schema": {"enum": [7, 8]}},
        {"json_schema": '{"enum": [9]}', "seed": 2},
        {"grammar": 'start: "c" "d"*', "max_tokens": 5},
        {"regex": "[ab]{4}", "n": 2},
    ]
    stdin = "\n".join(map(json.dumps, asked))
    done = sample("--jsonl", *PROSE, "--regex", "x", cwd=folder, stdin=stdin)
    assert done.returncode == 0, done.stderr
    texts = [json.loads(line)["text"] for line in done.stdout.splitlines()]
    forms = ["[ab]{4}", "[78]", "9", "cd{0,4}", "[ab]{4}", "[ab]{4}"]
    assert all(re.fullmatch(*each) for each in zip(forms, texts, strict=True)), texts


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"key": 5}', "key must be a text"),
        ('{"bars": "8"}', "bars must be a whole number"),
        ('{"bars": 2000}', "bars must be from 1 to 1024"),
        ('{"meter": "wide"}', "meter: "),
        ('{"range": "high"}', "range high is no range"),
        ('{"form": "ABA"}', "form ABA brings a section back"),
        ('{"unconstrained": true, "key": "G"}', "unconstrained leaves no condition"),
        ('{"temperature": "0.1.."}', "temperature must be"),
        ('{"best_of": 0}', "best_of must be"),
        ('{"echo": 1}', "echo must be true or false"),
        ('{"regex": "a"}', "this model writes music"),
        ('{"regex": "a", "grammar": "b"}', "one of regex, grammar and json_schema"),
        ('{"json_schema": 3}', "json_schema must be a text or an object"),
    ],
)
def test_a_wrong_line_for_a_tune_is_named(
    folder: Path,
    line: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved = checkpoint.load(folder / "checkpoints" / "tunes.safetensors")
    recipe = Recipe(sampling("abc", max_tokens=30))
    sampler = recipe.sampler(saved, 1)
    asked = f'{{"id": 1, "bars": 1}}\n{line}\n'
    monkeypatch.setattr(prompts, "stream_text", lambda _: [asked])
    with pytest.raises(UsageError, match=r"^<stdin>:2: ") as caught:
        prompts.draw_objects(sampler, Records(recipe, None, True), 0)
    assert message in str(caught.value)
    assert "--" not in str(caught.value).partition(";")[0]
    assert json.loads(capsys.readouterr().out)["id"] == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no", "is no JSON object"),
        ("[1]", "is no JSON object"),
        ('{"prompt": 3}', "prompt must be"),
        ('{"n": 0}', "n must be"),
        ('{"n": true}', "n must be"),
        ('{"temprature": 1}', "no option 'temprature'"),
        ('{"temperature": "warm"}', "temperature must be"),
        ('{"temperature": -1}', "temperature must be"),
        ('{"stop": 3}', "stop must be"),
        ('{"stop": ""}', "stop text"),
        ('{"logit_bias": {"zz": 1}}', "single tokens"),
        ('{"logit_bias": {"z": "x"}}', "logit_bias must"),
        ('{"logprobs": 21}', "from 0 to 20"),
        ('{"seed": -1}', "seed must be"),
        ('{"meter": "6/8"}', "no metre, key or bars"),
    ],
)
def test_a_wrong_line_is_named_and_those_before_it_are_answered(
    folder: Path, line: str, message: str
) -> None:
    done = sample("--jsonl", *PROSE, cwd=folder, stdin=f'{{"id":1}}\n{{"id":2}}\n{line}\n{{}}\n')
    assert done.returncode == 2
    assert done.stderr.startswith(b"seqgen: <stdin>:3: ")
    assert message in done.stderr.decode()
    assert [json.loads(each)["id"] for each in done.stdout.splitlines()] == [1, 2]


def test_a_prompt_that_no_tune_begins_with_is_named_too(folder: Path) -> None:
    asked = [{"prompt": "X:1\nT:a"}, {"prompt": "X:1\nM:?\n"}, {"prompt": "X:1\nT:b"}]
    stdin = "\n".join(map(json.dumps, asked))
    done = sample("--jsonl", "-m", "tunes", "--seed", "2", "-q", cwd=folder, stdin=stdin)
    assert done.returncode == 2
    assert done.stderr.startswith(b"seqgen: <stdin>:2: ")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("name", ["prose", "tunes", "events"])
def test_logprobs_are_the_models_own(folder: Path, name: str) -> None:
    arguments = ["-m", name, "--json", "-n", "3", "--seed", "3", "--max-tokens", "25", "-q"]
    options = ["--logprobs", "4", "--top-k", "3", "--temperature", "0.5"]
    done = sample(*arguments, *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    plain = sample(*arguments, *options[2:], cwd=folder)
    model = load(folder / "checkpoints" / f"{name}.safetensors")
    for line, other in zip(done.stdout.splitlines(), plain.stdout.splitlines(), strict=True):
        told = json.loads(line)
        listed = told.pop("logprobs")
        assert told.pop("options").pop("logprobs") == 4
        rest = json.loads(other)
        del rest["options"]
        assert told == rest
        ended = told["finish_reason"] == "end"
        assert len(listed) == told["tokens"] + ended
        for each in listed:
            likeliest = [one["logprob"] for one in each["top_logprobs"]]
            assert len(likeliest) == 4
            assert likeliest == sorted(likeliest, reverse=True)
            assert each["logprob"] <= likeliest[0]
        if name == "events":  # of random characters the broken ones are read otherwise
            surprise = model.scorer.score([told["text"]], closed=ended)[0]
            total = sum(each["logprob"] for each in listed)
            assert np.isclose(total, -surprise.nats.sum(), rtol=1e-3)


BAD = [
    (["--lines", "-m", "tunes"], "--lines is for models of text"),
    (["--lines", "--json"], "drop --json"),
    (["--lines", "-p", "x"], "drop -p"),
    (["--jsonl", "-n", "2"], "drop -p, -f and -n"),
    (["--json", "-o", "x.txt"], "go to stdout"),
    (["--logprobs", "3"], "add --json"),
    (["--no-echo", "--format", "mid", "-m", "tunes"], "--format abc"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_what_has_no_meaning_is_refused(folder: Path, arguments: list[str], message: str) -> None:
    model = [] if "-m" in arguments else ["-m", "prose"]
    done = sample(*model, *arguments, "-q", cwd=folder, stdin="a\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_without_its_prompt(folder: Path) -> None:
    tune = TUNES.split("\n\n", 1)[0] + "\n"
    for model in ("prose", "tunes"):
        command = ["-m", model, "-p", tune, "--seed", "1", "--max-tokens", "60", "-q", "--no-stamp"]
        whole, rest = (sample(*command, *more, cwd=folder).stdout for more in ((), ("--no-echo",)))
        assert whole == tune.encode() + rest


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    seqgen = f"{sys.executable} -m seqgen"
    return subprocess.run(
        ["bash", "-c", command.replace("seqgen", seqgen)],
        cwd=folder,
        capture_output=True,
        timeout=100,
        check=False,
    )


def test_endless_input_and_a_reader_that_has_enough(folder: Path) -> None:
    done = shell(
        "yes word | seqgen sample -m prose --lines --seed 1 --max-tokens 9 | head -3", folder
    )
    assert done.stderr == b"seed 1\n"
    assert [line[:4] for line in done.stdout.splitlines()] == [b"word"] * 3


@pytest.mark.parametrize("option", ["--lines", "--jsonl", "-"])
def test_a_closed_stdin_is_an_empty_one(folder: Path, option: str) -> None:
    command = f"seqgen sample -m prose {option} --seed 1 --max-tokens 9 -q"
    closed, empty = shell(f"{command} <&-", folder), shell(f"{command} < /dev/null", folder)
    assert (closed.returncode, closed.stderr) == (0, b"")
    assert closed.stdout == empty.stdout


@pytest.mark.parametrize("option", ["--lines", "--jsonl", "-"])
def test_a_prompt_without_end_is_refused(folder: Path, option: str) -> None:
    done = shell(f"yes word | tr -d '\\n' | seqgen sample -m prose {option} -q", folder)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1
    assert b"<stdin>" in done.stderr


@pytest.mark.parametrize("option", ["-n100000", "--json", "--lines"])
def test_interrupted_in_mid_stream(folder: Path, option: str) -> None:
    long = ["-n", "100000"] if option == "--json" else []
    process = subprocess.Popen(
        [*COMMAND, "-m", "prose", "--seed", "1", "-q", option, *long],
        cwd=folder,
        stdin=subprocess.PIPE if option == "--lines" else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    if process.stdin is not None:
        process.stdin.write(b"go on\n")
        process.stdin.flush()
    os.read(process.stdout.fileno(), 10)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, b"")


def test_bytes_that_are_no_text_are_named(folder: Path) -> None:
    done = sample("--lines", *PROSE, cwd=folder, stdin=b"fine\n\xff\n")
    assert done.returncode == 1
    assert b"<stdin>:2: byte 5" in done.stderr


def test_characters_that_the_model_has_not_learnt_are_named(folder: Path) -> None:
    done = sample("-m", "prose", "-p", "d\u00e9j\u00e0 2 d\u00e9\u200b", "--seed", "1", cwd=folder)
    assert done.returncode == 0
    assert done.stdout.decode("utf-8", "replace").startswith("d\u00e9j\u00e0 2 d\u00e9")
    first, second = done.stderr.decode().splitlines()
    assert first.startswith("5 characters that prose has not learnt")
    assert "\u00e9 (2), j (1), \u00e0 (1)" in first
    assert "U+200B (1)" in first
    assert second == "seed 1"
    done = sample("-m", "prose", "-p", "\u00e9", "--seed", "1", cwd=folder)
    singular = "1 character that prose has not learnt counts as the half bytes it is spelled in"
    assert f"{singular}: \u00e9 (1)" in done.stderr.decode()


def test_the_seed_is_said_when_drawing_begins(folder: Path) -> None:
    asked = ["-m", "prose", "--max-tokens", "5", "--seed", "7"]
    for wrong in ('{"n": 1', '{"nix": 1}', '{"regex": "a&&b["}'):
        done = sample("--jsonl", *asked, cwd=folder, stdin=wrong)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.startswith(b"seqgen: <stdin>:1: ")
    done = sample("--jsonl", *asked, cwd=folder, stdin='{"prompt": "So"}\n{"n": 2}\n{"nix": 1}')
    assert done.stdout.count(b"\n") == 3
    assert done.stderr.startswith(b"seed 7\nseqgen: <stdin>:3: ")
    assert sample("--lines", *asked, cwd=folder, stdin="So\nto\n").stderr == b"seed 7\n"
    assert sample("--lines", *asked, cwd=folder).stderr == b""


def test_the_seed_is_said_when_filling_begins(folder: Path) -> None:
    head = "X:1\nT:x\nM:2/4\nL:1/8\nK:G\n"
    for name, music in {"wrong": "G9|?|G4|]", "right": "G4|?|G4|]"}.items():
        (folder / f"{name}.abc").write_text(f"{head}{music}\n")
    asked = ["-m", "tunes", "--seed", "7", "--infill"]
    done = sample(*asked, "wrong.abc", cwd=folder)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"seqgen: wrong.abc:6:")
    done = sample(*asked, "right.abc", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b"seed 7\n"
