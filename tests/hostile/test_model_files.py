"""A model file from a stranger runs no code, takes little memory, and damage to one is seen."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.config import Architecture, ModelConfig, SamplingConfig
from seqgen.corpus.documents import Corpus, Document, Kind
from seqgen.corpus.runs import build
from seqgen.errors import CheckpointError
from seqgen.models import parameters
from seqgen.sampling.filters import relative_probabilities
from tests.hostile import guard
from tests.hostile.model_reader import joined, parts, signed
from tests.support import seqgen

MakeModel = Callable[..., Path]
PIECES = 20  # of 2,500 files for each of two models: 100,000


def interrupted(path: Path) -> Path:
    """The same model as a run that has not ended has it, with two corpora behind it."""
    saved = checkpoint.load(path)
    index = [build(Corpus("made", "text", (Document(text, "", 30),))) for text in (30 * "a", "b")]
    card = dataclasses.replace(saved.card, progress={"step": 1})
    memory = {"optimizer/mean": np.arange(50, dtype=np.float32), "step": np.array([1])}
    checkpoint.save(path, card, saved.weights, memory, index=[each for each in index if each])
    return path


def tiny(path: Path) -> Path:
    """A model whose file is a few kilobytes, with all that a file can have."""
    saved = checkpoint.load(path)
    size = saved.card.tokenizer.size
    config = ModelConfig("rnn", size, 1, 2, 2, 0, 8)
    weights = {n: w.astype(np.float32) for n, w in parameters.initialise(config, 0).items()}
    # Numbers that can be spelled in more than one way.
    recipe = {"learning_rate": 1e-05, "dropout": 0.30000000000000004}
    checkpoint.save(path, dataclasses.replace(saved.card, model=config, recipe=recipe), weights)
    return interrupted(path)


def reread(path: Path, piece: int, count: int) -> dict[str, Any]:
    report = guard.run("tests.hostile.model_reader", path, piece, count)
    assert report["files"] == count
    assert report["refused"] > count // 2
    assert report["read"] > count // 50  # some changes do no harm
    return report


MODELS: list[tuple[Architecture, str]] = [("transformer", "char"), ("lstm", "bpe")]


@pytest.mark.parametrize(("arch", "scheme"), MODELS)
def test_hostile_files_are_refused_or_harmless(
    make_model: MakeModel, arch: Architecture, scheme: str
) -> None:
    reread(interrupted(make_model(arch, scheme=scheme)), 0, 150)


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("piece", range(1, PIECES + 1))
@pytest.mark.parametrize(("arch", "scheme"), MODELS)
def test_a_hundred_thousand_hostile_files(
    make_model: MakeModel,
    arch: Architecture,
    scheme: str,
    piece: int,
    tell: Callable[[str], None],
) -> None:
    report = reread(interrupted(make_model(arch, scheme=scheme)), piece, 2500)
    tell(f"{arch}, {scheme}: {report}")


def refuses(path: Path, data: bytes) -> bool:
    path.write_bytes(data)
    try:
        checkpoint.load_training(path)
    except CheckpointError:
        return True
    return False


def flipped(data: bytes, bits: Iterable[int]) -> Iterable[bytes]:
    for bit in bits:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


@pytest.mark.parametrize(
    "piece", [0, *(pytest.param(n, marks=pytest.mark.fuzz) for n in range(1, 64))]
)
def test_every_flipped_bit_is_seen(make_model: MakeModel, piece: int) -> None:
    path = tiny(make_model())
    data = path.read_bytes()
    assert not refuses(path, data)
    assert all(refuses(path, each) for each in flipped(data, range(piece, 8 * len(data), 64)))


@pytest.mark.fuzz
@pytest.mark.parametrize("piece", range(10))
def test_ten_thousand_flipped_bits_of_a_large_file_are_seen(
    make_model: MakeModel, piece: int
) -> None:
    path = make_model()
    saved = checkpoint.load(path)
    config = ModelConfig("lstm", saved.card.model.vocabulary, 1, 512, 64, 0, 32)
    weights = parameters.initialise(config, 0)
    checkpoint.save(path, dataclasses.replace(saved.card, model=config), weights)
    assert path.stat().st_size > 4 << 20
    rng = np.random.default_rng(piece)
    with path.open("r+b", buffering=0) as file:
        for bit in rng.integers(0, 8 * path.stat().st_size, 1000).tolist():
            file.seek(bit // 8)
            (byte,) = file.read(1)
            for changed in (byte ^ 1 << bit % 8, byte):
                file.seek(bit // 8)
                file.write(bytes([changed]))
                if changed != byte:
                    with pytest.raises(CheckpointError):
                        checkpoint.load(path)
    checkpoint.load(path)


@pytest.mark.parametrize(
    "piece", [0, *(pytest.param(n, marks=pytest.mark.fuzz) for n in range(1, 16))]
)
def test_every_truncation_is_seen(make_model: MakeModel, piece: int) -> None:
    path = tiny(make_model())
    data = path.read_bytes()
    assert all(refuses(path, data[:size]) for size in range(piece, len(data), 16))


def test_the_same_value_spelled_in_another_way_is_damage(make_model: MakeModel) -> None:
    path = tiny(make_model())
    data = path.read_bytes()
    for written, other in (
        (b"1e-05", b"1E-05"),
        (b"0.30000000000000004", b"0.30000000000000005"),  # rounds to the same number
        (b'\\"step\\": 1', b'\\"step\\":1 '),
    ):
        assert written in data
        assert refuses(path, data.replace(written, other, 1))


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change a card and make its digest anew, as someone would who means harm."""
    header, tensors = parts(path.read_bytes())
    card = json.loads(header["__metadata__"]["seqgen"])
    edit(card)
    path.write_bytes(signed(header, card, tensors))


@pytest.mark.parametrize(
    "edit",
    [
        lambda card: card["model"].update(logit_softcap=10**400),
        lambda card: card["metrics"].update(bits_per_char=10**400),
        lambda card: card["metrics"].update(step=float("nan")),
        lambda card: card["metrics"].update(step=float("inf")),
        lambda card: card["corpus"].update(deep=json.loads("[" * 900 + "]" * 900)),
        lambda card: card.update(progress={}),
    ],
    ids=["softcap", "bits", "nan", "infinity", "deep", "progress"],
)
def test_a_card_that_lies_is_refused_or_read(
    make_model: MakeModel, edit: Callable[[dict[str, Any]], None]
) -> None:
    path = make_model("transformer")
    change(path, edit)
    deep = b"[[[[" in path.read_bytes()
    if deep:
        assert checkpoint.load(path).card.corpus
    else:
        with pytest.raises(CheckpointError, match="is damaged"):
            checkpoint.load(path)


@pytest.mark.parametrize(
    ("corpus", "metrics"),
    [
        ({"documents": 1, "characters": 10**400}, {}),
        ({"documents": 10**400, "characters": 1}, {}),
        ({"documents": 1, "characters": 1000}, {"nats_per_token": 5e-324}),
    ],
    ids=["characters", "documents", "tokens"],
)
def test_a_corpus_of_more_than_there_are_numbers(
    make_model: MakeModel, corpus: dict[str, int], metrics: dict[str, float]
) -> None:
    from seqgen.config import SamplingConfig
    from seqgen.sampling.sampler import Sampler

    path = make_model("lstm", kind="text")
    change(path, lambda card: (card["corpus"].update(corpus), card["metrics"].update(metrics)))
    sampler = Sampler(checkpoint.load(path), SamplingConfig(max_tokens=3), prompt="", seed=0)
    assert sampler.text(0)


@pytest.mark.parametrize("character", "Xa%")
def test_a_token_longer_than_a_program_can_nest(make_model: MakeModel, character: str) -> None:
    from seqgen.config import SamplingConfig
    from seqgen.sampling.sampler import Sampler

    path = make_model("lstm")
    change(path, lambda card: card["tokenizer"]["pieces"].__setitem__(-3, character * 10_000))
    sampler = Sampler(checkpoint.load(path), SamplingConfig(max_tokens=40), prompt="", seed=0)
    assert sampler.text(0).startswith("X:")


def test_weights_that_are_no_numbers_are_refused(make_model: MakeModel) -> None:
    path = make_model()
    header, tensors = parts(path.read_bytes())
    card = json.loads(header["__metadata__"]["seqgen"])
    path.write_bytes(signed(header, card, tensors[:-4] + struct.pack("<f", np.nan)))
    with pytest.raises(CheckpointError, match="holds NaN or infinity"):
        checkpoint.load(path)


@pytest.mark.parametrize("logits", [[np.nan, 0.5], [-np.inf, -np.inf], [0.5, np.inf]])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_without_probabilities_are_refused(logits: list[float], temperature: float) -> None:
    config = SamplingConfig(temperature=temperature)
    for rows in ([logits], [[0.0, 1.0], logits]):
        with pytest.raises(CheckpointError, match="no probabilities"):
            relative_probabilities(np.array(rows), config)


@pytest.mark.parametrize(
    ("arch", "kind", "most"), [("lstm", "abc", 3e38), ("transformer", "text", 1e18)]
)
def test_weights_too_large_to_reckon_with_say_so(
    make_model: MakeModel, arch: Architecture, kind: Kind, most: float
) -> None:
    path = make_model(arch, kind=kind)
    saved = checkpoint.load(path)
    large = {name: np.sign(weight) * np.float32(most) for name, weight in saved.weights.items()}
    checkpoint.save(path, saved.card, large)
    for options in (["--lines"] * (kind == "text"), ["--temperature=0"], ["--top-p=0.5", "--json"]):
        done = seqgen("sample", "-m", "small", *options, cwd=path.parent.parent, stdin=b"X:1\n")
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr == b"seqgen: this model's weights give no probabilities; train it anew\n"


def test_what_training_keeps_can_not_be_left_out(make_model: MakeModel) -> None:
    path = interrupted(make_model())
    header, tensors = parts(path.read_bytes())
    kept = {name: place for name, place in header.items() if not name.startswith("training/")}
    left = b""
    for name, place in kept.items():
        if name != "__metadata__":
            begin, end = place["data_offsets"]
            place["data_offsets"] = [len(left), len(left) + end - begin]
            left += tensors[begin:end]
    path.write_bytes(joined(kept, left))
    checkpoint.load(path)
    with pytest.raises(CheckpointError, match="what training keeps in it is damaged"):
        checkpoint.load_training(path)


WASTEFUL: dict[str, Callable[[int], str]] = {
    "objects": lambda size: "[" + "{}," * (size // 3) + "{}]",
    "lists": lambda size: "[" + "[]," * (size // 3) + "[]]",
    "numbers": lambda size: "[" + "1e1," * (size // 4) + "1]",
    "texts": lambda size: "[" + ",".join(f'\\"{n:x}\\"' for n in range(size // 10)) + "]",
}


@pytest.mark.parametrize("kind", WASTEFUL)
def test_a_header_can_not_fill_the_memory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "wasteful.safetensors"
    card = (
        '{\\"format_version\\":1,\\"a\\":' + WASTEFUL[kind](checkpoint.MAX_HEADER_BYTES - 99) + "}"
    )
    text = b'{"__metadata__":{"seqgen":"' + card.encode() + b'"}}'
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    report = guard.run("tests.hostile.memory", path)
    assert report["error"].startswith(f"{path}: is damaged: its description is not")
    assert report["grown_bytes"] <= 2 * path.stat().st_size + (64 << 20)


def test_a_header_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    size = checkpoint.MAX_HEADER_BYTES
    with path.open("wb") as file:
        file.write(struct.pack("<Q", size + (size // 16)) + b"{")
        file.truncate(size + size // 16 + 8)
    with pytest.raises(CheckpointError, match="is not a seqgen model"):
        checkpoint.load(path)


def test_a_model_that_could_not_be_read_again_is_not_saved(make_model: MakeModel) -> None:
    from seqgen.tokenization import Tokenizer

    path = make_model()
    before = path.read_bytes()
    saved = checkpoint.load(path)
    tokenizer = Tokenizer("char", [chr(0x4E00 + n // 100) + str(n) for n in range(150_000)])
    config = ModelConfig("rnn", tokenizer.size, 1, 1, 1, 0, 8)
    weights = {n: np.zeros(shape, np.float32) for n, shape in parameters.shapes(config).items()}
    card = dataclasses.replace(saved.card, model=config, tokenizer=tokenizer)
    with pytest.raises(CheckpointError, match="not saved: a vocabulary of 150,017 tokens"):
        checkpoint.save(path, card, weights)
    assert path.read_bytes() == before
