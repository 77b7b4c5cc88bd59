"""The model file: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import dataclasses
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgen import checkpoint
from seqgen.config import Architecture
from seqgen.corpus.runs import RunIndex
from seqgen.errors import CheckpointError
from tests.support import ARCHITECTURES

MakeModel = Callable[..., Path]


def edit_header(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change a safetensors file's JSON header in place."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    edit(header)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def edit_card(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    def change(header: dict[str, Any]) -> None:
        values = json.loads(header["__metadata__"]["seqgen"])
        edit(values)
        header["__metadata__"]["seqgen"] = json.dumps(values)

    edit_header(path, change)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_round_trip(arch: Architecture, make_model: MakeModel) -> None:
    path = make_model(arch)
    saved = checkpoint.load(path)
    again = path.with_name("again.safetensors")
    card = checkpoint.save(again, saved.card, saved.weights)
    copy = checkpoint.load(again)
    assert copy.card.model == saved.card.model
    assert copy.card.tokenizer.pieces == saved.card.tokenizer.pieces
    assert card.digest == copy.card.digest == saved.card.digest
    assert all((copy.weights[n] == w).all() for n, w in saved.weights.items())
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_half_the_size_is_the_same_but_for_rounding(
    arch: Architecture, make_model: MakeModel
) -> None:
    path = make_model(arch)
    saved = checkpoint.load(path)
    half = path.with_name("half.safetensors")
    checkpoint.save(half, saved.card, saved.weights, storage="float16")
    again = checkpoint.load(half)
    assert (saved.storage, again.storage) == ("float32", "float16")
    header = 8 + int.from_bytes(half.read_bytes()[:8], "little")
    numbers = sum(weight.size for weight in saved.weights.values())
    assert half.stat().st_size == header + 2 * numbers
    for name, weight in saved.weights.items():
        assert again.weights[name].dtype == np.float32
        np.testing.assert_allclose(again.weights[name], weight, rtol=2**-11, atol=2**-25)
    # What is rounded once stays so.
    checkpoint.save(path, again.card, again.weights, storage="float16")
    assert path.read_bytes() == half.read_bytes()


def test_numbers_too_large_for_half_the_size_are_not_saved(make_model: MakeModel) -> None:
    path = make_model()
    saved = checkpoint.load(path)
    large = {**saved.weights, "output.bias": np.full_like(saved.weights["output.bias"], 7e4)}
    with pytest.raises(CheckpointError, match=r"output.bias holds NaN or infinity as float16"):
        checkpoint.save(path, saved.card, large, storage="float16")
    assert checkpoint.load(path).storage == "float32"


def test_sizes_are_not_mixed(make_model: MakeModel) -> None:
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    path = make_model()
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors["model/output.bias"] = tensors["model/output.bias"].astype(np.float16)
    save_file(tensors, path, metadata)
    with pytest.raises(CheckpointError, match=r"output.bias is F16 .*, not F32"):
        checkpoint.load(path)


def indexed(path: Path) -> RunIndex:
    """An index, with which the model is saved anew."""
    saved = checkpoint.load(path)
    index = RunIndex(12, 3, np.arange(40, dtype=np.uint8))
    checkpoint.save(path, saved.card, saved.weights, index=[index, index])
    return index


def test_an_index_of_the_corpus_is_kept(make_model: MakeModel) -> None:
    path = make_model()
    without = path.read_bytes()
    plain = checkpoint.load(path)
    assert plain.index == ()
    index = indexed(path)
    saved = checkpoint.load(path)
    assert saved.card.digest != plain.card.digest
    assert len(saved.index) == 2
    assert all(each.same(index) for each in saved.index)
    checkpoint.save(path, saved.card, saved.weights, storage="float16", index=saved.index)
    assert all(each.same(index) for each in checkpoint.load(path).index)
    checkpoint.save(path, saved.card, saved.weights)
    assert path.read_bytes() == without


def test_a_changed_index_is_refused(make_model: MakeModel) -> None:
    path = make_model()
    indexed(path)
    data = bytearray(path.read_bytes())
    at = data.index(bytes(range(40)))
    data[at + 7] ^= 4
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="don't match its digest"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda header: header["index/0"].update(dtype="I8"), "index/0 is I8"),
        (lambda header: header["index/0"].update(shape=[5, 8]), r"index/0 is U8 \[5, 8\]"),
        (lambda header: header.update({"index/7": header.pop("index/1")}), "index/1 is missing"),
        (lambda header: header.update({"index": header.pop("index/1")}), "index does not belong"),
    ],
)
def test_an_index_of_another_shape_is_refused(
    make_model: MakeModel, edit: Callable[[dict[str, Any]], None], message: str
) -> None:
    path = make_model()
    indexed(path)
    edit_header(path, edit)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(path)


@pytest.mark.parametrize("value", [None, [], [{}, {}], [{"length": 12, "stride": 0}] * 2])
def test_an_index_that_is_described_otherwise_is_refused(
    make_model: MakeModel, value: object
) -> None:
    path = make_model()
    indexed(path)
    edit_card(path, lambda card: card.update(index=value))
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(path)


def test_too_large_an_index_is_refused(make_model: MakeModel) -> None:
    path = make_model()
    saved = checkpoint.load(path)
    index = RunIndex(12, 1, np.zeros(checkpoint.MOST_INDEX_BYTES + 1, np.uint8))
    checkpoint.save(path, saved.card, saved.weights, index=[index])
    with pytest.raises(CheckpointError, match="not U8 of at most"):
        checkpoint.load(path)


def test_what_training_keeps_is_read_only_when_asked_for(make_model: MakeModel) -> None:
    path = make_model()
    small = path.stat().st_size
    saved = checkpoint.load(path)
    memory = {"optimizer/mean/x": np.arange(9000, dtype=np.float32)}
    card = dataclasses.replace(saved.card, progress={"step": 3})
    checkpoint.save(path, card, saved.weights, memory)
    assert path.stat().st_size > small + 36000
    assert checkpoint.load(path).card.progress == {"step": 3}
    _, kept = checkpoint.load_training(path)
    assert (kept["optimizer/mean/x"] == memory["optimizer/mean/x"]).all()


def is_mapped(array: Any) -> bool:
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None


@pytest.mark.skipif(os.name != "posix", reason="read as a whole there")
def test_large_tensors_stay_in_the_file_and_it_stays_as_it_is(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_model("lstm")
    before, copied = path.read_bytes(), checkpoint.load(path)
    monkeypatch.setattr(checkpoint, "_LARGE", 1000)
    mapped = checkpoint.load(path)
    for name, weight in copied.weights.items():
        np.testing.assert_array_equal(mapped.weights[name], weight)
        assert not is_mapped(weight)
        assert is_mapped(mapped.weights[name]) == (weight.nbytes >= 1000)
    mapped.weights["embedding"][:] = 7.0
    checkpoint.save(
        path, copied.card, {**copied.weights, "output.bias": mapped.weights["output.bias"] + 1}
    )
    assert (mapped.weights["embedding"] == 7.0).all()
    name = next(
        name
        for name, weight in copied.weights.items()
        if weight.nbytes >= 1000 and name != "embedding"
    )
    np.testing.assert_array_equal(mapped.weights[name], copied.weights[name])
    path.write_bytes(before)
    np.testing.assert_array_equal(
        checkpoint.load(path).weights["embedding"], copied.weights["embedding"]
    )


def test_numbers_that_are_none_are_not_saved(make_model: MakeModel) -> None:
    path = make_model()
    before = path.read_bytes()
    saved = checkpoint.load(path)
    bad = {**saved.weights, "output.bias": np.full_like(saved.weights["output.bias"], np.nan)}
    with pytest.raises(CheckpointError, match="NaN"):
        checkpoint.save(path, saved.card, bad)
    assert path.read_bytes() == before


def test_every_flipped_bit_of_the_header_and_a_sample_of_the_rest_is_seen(
    make_model: MakeModel,
) -> None:
    path = make_model()
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    rng = np.random.default_rng(0)
    header = rng.choice((8 + length) * 8, 300, replace=False).tolist()
    rest = rng.integers((8 + length) * 8, len(data) * 8, 300).tolist()
    for bit in range(64), header, rest:
        for position in bit:
            damaged = bytearray(data)
            damaged[position // 8] ^= 1 << position % 8
            path.write_bytes(damaged)
            with pytest.raises(CheckpointError):
                checkpoint.load(path)


def test_every_truncation_is_seen(make_model: MakeModel) -> None:
    path = make_model()
    data = path.read_bytes()
    for size in [*range(0, 200), *range(200, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(CheckpointError):
            checkpoint.load(path)


def test_another_version_says_so(make_model: MakeModel) -> None:
    path = make_model()
    edit_card(path, lambda card: card.update(format_version=2))
    with pytest.raises(CheckpointError, match="format version 2, this seqgen reads 1; upgrade"):
        checkpoint.load(path)


def test_a_foreign_safetensors_file_says_so(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match="not a seqgen model"):
        checkpoint.load(tmp_path / "foreign.safetensors")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a seqgen model"),
        (b"MThd" * 10, "not a seqgen model"),
        (struct.pack("<Q", 1 << 40) + b"{" * 9, "not a seqgen model"),
        (struct.pack("<Q", 10) + b"{notjson.." * 9, "damaged or is no model"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such model"):
        checkpoint.load(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="not a regular file"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda card: card["model"].update(hidden=17),
        lambda card: card["model"].update(hidden=1 << 40),
        lambda card: card["model"].update(hidden=True),
        lambda card: card["model"].update(layers=2),
        lambda card: card["model"].update(arch="mlp"),
        lambda card: card["model"].update(extra=1),
        lambda card: card["model"].pop("layers"),
        lambda card: card.pop("metrics"),
        lambda card: card.update(metrics=[]),
        lambda card: card.update(model=None),
        lambda card: card["tokenizer"]["pieces"].append("new"),
        lambda card: card["tokenizer"].update(scheme="words"),
        lambda card: card.update(kind="opera"),
        lambda card: card.update(digest="0" * 64),
    ],
)
def test_a_changed_description_is_refused(
    make_model: MakeModel, edit: Callable[[dict[str, Any]], None]
) -> None:
    path = make_model()
    edit_card(path, edit)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(path)


def test_a_tensor_too_many_is_refused(make_model: MakeModel) -> None:
    path = make_model()

    def rename(header: dict[str, Any]) -> None:
        header["model/extra"] = header.pop("model/output.bias")

    edit_header(path, rename)
    with pytest.raises(CheckpointError, match=r"model/extra does not belong"):
        checkpoint.load(path)


def test_a_tensor_of_another_type_is_refused(make_model: MakeModel) -> None:
    path = make_model()
    edit_header(path, lambda header: header["model/output.bias"].update(dtype="I32"))
    with pytest.raises(CheckpointError, match="is I32"):
        checkpoint.load(path)


def test_the_newest_is_found(tmp_path: Path) -> None:
    import os

    with pytest.raises(CheckpointError, match="no model in"):
        checkpoint.newest(tmp_path)
    for name, age in (("a", 1), ("b", 3), ("c", 2)):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(b"")
        os.utime(path, (age, age))
    assert checkpoint.newest(tmp_path).stem == "b"
