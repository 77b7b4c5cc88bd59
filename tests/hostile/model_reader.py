"""Reads damaged model files: ``python -m tests.hostile.model_reader FILE SEED COUNT``.

Some are damaged in their bytes, and the digest sees it. Others are what someone would write who
means harm: their card or their tensors are changed, and the digest is made anew. Each is read,
shown and sampled from under guard.py's limits; only CheckpointError may come of reading, and only
a SeqgenError of drawing from a network whose numbers are wild.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import json
import random
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from seqgen import checkpoint
from seqgen.cli.show import _rows
from seqgen.config import SamplingConfig
from seqgen.errors import CheckpointError, SeqgenError
from seqgen.sampling.novelty import Indexed
from seqgen.sampling.sampler import Sampler
from tests.hostile import guard
from tests.hostile.mutations import damaged

MEMORY_BYTES = 64 << 20  # beside twice the file's size

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 16, 1 << 20, 1 << 40, 10**400, -(10**400), 0.0, -0.0, 1e-300,
    1e308, 0.5, "", "x", "\x1b]0;x\x07", "\x00", "\ud800", "lstm", "transformer", "bpe", "midi", [],
    [[]], ["a", "a"], [["a", "b"]], {}, {"step": None}, {"a": {}}, "X" * 10_000, [0] * 1000,
)  # fmt: skip


def parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """A file's header and what follows it."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: dict[str, Any], tensors: bytes) -> bytes:
    """The file of a header and tensors."""
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + tensors


def signed(header: dict[str, Any], card: dict[str, Any], tensors: bytes) -> bytes:
    """The file of a header with a card whose digests are right, as far as they can be."""
    groups: dict[str, dict[str, Any]] = {
        prefix: {} for prefix in (checkpoint.MODEL, checkpoint.TRAINING, checkpoint.INDEX)
    }
    for name, place in header.items():
        for prefix, group in groups.items():
            if name.startswith(prefix):
                begin, end = place["data_offsets"]
                dtype = np.dtype(checkpoint.DTYPES.get(place["dtype"], "u1"))
                try:
                    tensor = np.frombuffer(tensors[begin:end], dtype).reshape(place["shape"])
                except (ValueError, TypeError):
                    continue
                group[name if prefix == checkpoint.INDEX else name.removeprefix(prefix)] = tensor
    training = groups[checkpoint.TRAINING]
    card["training_digest"] = checkpoint._digest({}, training) if training else None
    signs = groups[checkpoint.MODEL] | groups[checkpoint.INDEX]
    card["digest"] = checkpoint._digest(card, signs)
    header["__metadata__"] = {"seqgen": json.dumps(card)}
    return joined(header, tensors)


def _change(chance: random.Random, values: Any) -> None:
    """Change something, anywhere in JSON."""
    while True:
        keys = list(values) if isinstance(values, dict) else list(range(len(values)))
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(values[key], dict | list) and values[key] and chance.random() < 0.8:
            values = values[key]
            continue
        kind = chance.randrange(6)
        if kind == 0:
            del values[key]
        elif kind == 1 and isinstance(values, dict):
            values[chance.choice(("x", "strip", "\x1b[2J", "hidden", "merges"))] = values.pop(key)
        elif kind == 2 and isinstance(values[key], int | float):
            factor = chance.choice((-1, 2, 0.5, 1 << 30))
            with contextlib.suppress(OverflowError):  # half of a number beyond floats
                values[key] = values[key] * factor + chance.choice((0, 1))
        elif kind == 3 and isinstance(values, list):
            values.insert(key, copy.deepcopy(chance.choice(VALUES)))
        else:
            values[key] = copy.deepcopy(chance.choice(VALUES))
        return


def crafted(chance: random.Random, data: bytes) -> bytes:
    """A file that says other things of itself, and whose digests are right."""
    header, tensors = parts(data)
    card = json.loads(header.pop("__metadata__")["seqgen"])
    for _ in range(chance.randint(1, 3)):
        kind = chance.randrange(4)
        if kind < 2:
            _change(chance, card)
        elif kind == 2:
            _change(chance, header)
        else:
            wild = np.frombuffer(tensors, "<f4").copy()
            with np.errstate(all="ignore"):
                wild *= np.float32(chance.choice((0.0, -1.0, 1e10, 1e38, np.nan)))
            tensors = wild.tobytes()
        if not (isinstance(card, dict) and isinstance(header, dict)):
            break
    try:
        return signed(header, card, tensors)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):  # beyond signing
        header["__metadata__"] = {"seqgen": json.dumps(card)}
        return joined(header, tensors)


def read(path: Path) -> str:
    """Do with a model file all that can be done without training; says how that ended."""
    try:
        checkpoint.load_training(path)
        saved = checkpoint.load(path)
    except CheckpointError as error:
        assert "\n" not in str(error)  # noqa: PT017 -- whether there is one is what is counted
        return "refused"
    for _, value in _rows(saved):
        assert value is not None
    try:
        sampler = Sampler(saved, SamplingConfig(max_tokens=64), prompt="", seed=0)
        Indexed(saved.index, saved.card.kind, None).copies(sampler.text(0))
    except SeqgenError:
        return "read, not drawn from"
    return "read"


def main(path: Path, seed: int, count: int) -> None:
    """Damage and read a file ``count`` times, and print what came of it."""
    chance = random.Random(seed)
    data = path.read_bytes()
    target = path.with_suffix(".damaged")
    for example in (data, data[:100]):  # all that is imported late
        target.write_bytes(example)
        read(target)
    np.random.default_rng(0)
    "".encode("utf-32-le")
    gc.collect()
    gc.freeze()  # the modules, which would be looked through again and again
    guard.limits()
    before = guard.peak_bytes()
    ends: Counter[str] = Counter()
    slowest, grown = 0.0, 0
    for number in range(count):
        if number % 8 == 0:
            gc.collect()  # a tokenizer and its table of 4 MiB refer to each other
        hostile = crafted(chance, data) if number % 2 else damaged(chance, data)
        target.write_bytes(hostile)
        began = time.process_time()
        try:
            with guard.guarded(), np.errstate(all="ignore"):
                ends[read(target)] += 1
            grown = guard.peak_bytes() - before
            assert grown <= 2 * len(hostile) + MEMORY_BYTES, grown
        except BaseException:
            print(hostile.hex(), file=sys.stderr)  # noqa: T201
            raise
        slowest = max(slowest, time.process_time() - began)
    report = {"files": count, **ends, "slowest_seconds": round(slowest, 3)}
    print(json.dumps(report | {"grown_mib": grown >> 20}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
