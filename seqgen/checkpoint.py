"""The model file: one safetensors file with everything in it.

    model/<name>     the weights of seqgen.models.parameters, the best so far: all sampling needs;
                     float32, or all float16, which become float32 when they are read
    index/<number>   which runs of notes or characters the corpora held that it learnt from, see
                     seqgen.corpus.runs; uint8, (bytes,); absent where there is none
    training/<name>  what training needs to go on (latest weights, optimizer, carried state);
                     absent from a finished model
    metadata         {"seqgen": JSON of Card, in one string}

One file is the commit point: it holds the best weights and the latest. Until a run has ended the
file before it is kept beside it, see previous.

Safetensors holds numbers and text only: loading a file from a stranger runs no code. The JSON holds
a SHA-256 over itself, the model's tensors and the index, and one over the training tensors, so that
damage is seen; the JSON must stand in the file as save writes it, for a flipped bit can spell the
same value in another way. Names, shapes and types are checked against the contract before anything
is read, and what is read takes no more memory than twice the file and 64 MiB.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqgen.config import UNITS, ModelConfig, from_json, to_json
from seqgen.corpus import runs
from seqgen.corpus.runs import RunIndex
from seqgen.errors import CheckpointError, SeqgenError
from seqgen.files import reason, write_atomically
from seqgen.models.parameters import Weights, shapes
from seqgen.tokenization import Tokenizer

__all__ = [
    "FORMAT_VERSION",
    "SUFFIX",
    "Card",
    "Checkpoint",
    "Storage",
    "by_age",
    "card_to_json",
    "load",
    "load_training",
    "newest",
    "previous",
    "quality",
    "save",
]

FORMAT_VERSION = 1
SUFFIX = ".safetensors"
METADATA_KEY = "seqgen"
MODEL = "model/"
TRAINING = "training/"
INDEX = "index/"
MOST_INDEX_BYTES = 1 << 20  # of each
MOST = 1e300  # of a metric
# What a header says can take 28 times its size in memory. So it may be as large as this and a share
# of the file; the largest of our models' take a hundredth.
MAX_HEADER_BYTES = 2 << 20
HEADER_SHARE = 32
_LARGE = 1 << 20  # bytes of a tensor that is worth a map
# The types that tensors have in a file, and in memory; what else there is, no model holds.
DTYPES = {
    "BOOL": "?", "U8": "u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "I8": "i1", "I16": "<i2",
    "I32": "<i4", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip

Tensors = Mapping[str, NDArray[Any]]
Storage = Literal["float32", "float16"]
_STORED: dict[str, Storage] = {"F32": "float32", "F16": "float16"}


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a model besides its weights.

    Attributes:
        model: the network's shape.
        tokenizer: how text becomes ids.
        kind: ``abc`` (music), ``text`` or ``midi``.
        corpus: name, digest, and sizes of what it learnt from.
        recipe: the training configuration.
        metrics: ``step``, ``bits_per_char``, ``nats_per_char`` … of the weights in the file; for
            ``midi`` ``bits_per_event`` and ``nats_per_event``.
        versions: of seqgen and of what trained it.
        created: ISO 8601 date and time, UTC.
        progress: where an interrupted training stands; None once it has ended.
        digest: SHA-256 of the above and the weights; set by save.
    """

    model: ModelConfig
    tokenizer: Tokenizer
    kind: str
    corpus: dict[str, Any]
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    versions: dict[str, str]
    created: str
    progress: dict[str, Any] | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model read back.

    Attributes:
        path: the file it came from.
        storage: how that holds the weights.
        index: which runs the corpora held that it learnt from, each with its own; may be empty.
    """

    card: Card
    weights: Weights
    path: Path = field(compare=False)
    storage: Storage = field(default="float32", compare=False)
    index: tuple[RunIndex, ...] = field(default=(), compare=False)


def save(
    path: str | PathLike[str],
    card: Card,
    weights: Weights,
    training: Tensors | None = None,
    *,
    storage: Storage = "float32",
    index: Sequence[RunIndex] = (),
) -> Card:
    """Write a model file, durably and all at once; returns the card with its digest.

    A run that has not ended keeps the file before this one as its previous; one that has ended
    keeps this one alone.

    Raises:
        CheckpointError: a number is not finite (such weights must not reach the disk), or too large
            for ``storage``; or the vocabulary is so much larger than the weights that load would
            refuse it.
        OutputError: the file can't be written; the one that was there before is untouched.
    """
    from safetensors.numpy import save as serialise

    tensors: dict[str, NDArray[Any]] = {}
    with np.errstate(over="ignore"):  # it is then infinite, and refused below
        stored = {name: weight.astype(storage) for name, weight in weights.items()}
    for prefix, group in ((MODEL, stored), (TRAINING, training or {})):
        for name, tensor in group.items():
            if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
                raise CheckpointError(
                    f"{path}: not saved: {prefix}{name} holds NaN or infinity"
                    + (" as float16" if storage == "float16" else "")
                )
            tensors[prefix + name] = np.ascontiguousarray(tensor)
    filters = dict(zip(_filters(len(index)), (each.bits for each in index), strict=True))
    tensors |= filters
    values = card_to_json(card)
    if filters:
        values["index"] = runs.described(index)
    values["training_digest"] = _digest({}, training) if training else None
    values["digest"] = _digest(values, {**stored, **filters})
    metadata = {METADATA_KEY: json.dumps(values, allow_nan=False)}
    data = serialise(tensors, metadata=metadata)
    if _header_bytes(data) > _most_header_bytes(len(data)):
        raise CheckpointError(
            f"{path}: not saved: a vocabulary of {card.model.vocabulary:,} tokens is too large for "
            f"a network of so few weights; choose a larger one, or fewer tokens"
        )
    before, ended = previous(Path(path)), card.progress is None
    write_atomically(path, data, previous=None if ended else before)
    if ended:
        with contextlib.suppress(OSError):
            before.unlink()
    return dataclasses.replace(card, digest=values["digest"])


def load(path: str | PathLike[str]) -> Checkpoint:
    """Read a model: its card and weights, without what training keeps beside them.

    Raises:
        CheckpointError: the file is missing, truncated, damaged, foreign, of another version, or
            its tensors are not those of the network it says it holds.
    """
    return _read(Path(path), with_training=False)[0]


def load_training(path: str | PathLike[str]) -> tuple[Checkpoint, dict[str, NDArray[Any]]]:
    """Read a model and the tensors that training needs to go on; see load."""
    return _read(Path(path), with_training=True)


def quality(metrics: Mapping[str, Any]) -> str:
    """How good a model is, for people: bits and nats per character, or per event of MIDI."""
    unit, name = ("event", "event") if "bits_per_event" in metrics else ("char", "character")
    bits, nats = metrics[f"bits_per_{unit}"], metrics[f"nats_per_{unit}"]
    return f"{bits:.3f} bits ({nats:.3f} nats) per {name}"


def previous(path: Path) -> Path:
    """Where the last save but one of a run that has not ended is."""
    return path.with_name(f"{path.name}.previous")


def newest(folder: Path) -> Path:
    """The model written last in a folder.

    Raises:
        CheckpointError: there is none.
    """
    models = by_age(folder)
    if not models:
        raise CheckpointError(
            f"no model in {folder}/ yet: train one with `seqgen train`, or name one with -m"
        )
    return models[0]


def by_age(folder: Path) -> list[Path]:
    """The models in a folder, the one written last first."""
    models = [path for path in folder.glob(f"*{SUFFIX}") if path.is_file()]
    return sorted(models, key=lambda path: (-path.stat().st_mtime_ns, path.name))


def _read(path: Path, *, with_training: bool) -> tuple[Checkpoint, dict[str, NDArray[Any]]]:
    from safetensors import SafetensorError, safe_open

    length = _require_model_file(path)
    try:
        with safe_open(path, framework="np") as file:
            values = _metadata(path, file.metadata())
            card = _card_from_json(path, values)
            names = list(file.keys())
            index = runs.parameters(values.get("index", []))
            storage = _check_contract(path, card.model, len(index), names, file)
        tensors = _Tensors(path, length, mapped=not with_training)
        stored = {name: tensors.read(MODEL + name) for name in shapes(card.model)}
        filters = {name: tensors.read(name) for name in _filters(len(index))}
        training = {
            name.removeprefix(TRAINING): tensors.read(name)
            for name in names
            if with_training and name.startswith(TRAINING)
        }
    except (SafetensorError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is damaged or is no model file ({error})") from error
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read: {reason(error)}") from error
    if _digest(values, {**stored, **filters}) != card.digest:
        raise CheckpointError(f"{path}: is damaged: its contents don't match its digest")
    if with_training and values["training_digest"] != (_digest({}, training) if training else None):
        raise CheckpointError(
            f"{path}: what training keeps in it is damaged; --force starts afresh"
        )
    weights = {name: weight.astype(np.float32, copy=False) for name, weight in stored.items()}
    for name, tensor in weights.items():
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"{path}: is damaged: {name} holds NaN or infinity")
    known = [RunIndex(*each, bits) for each, bits in zip(index, filters.values(), strict=True)]
    return Checkpoint(card, weights, path, storage, tuple(known)), training


class _Tensors:
    """Reads the tensors of a file whose header safetensors has found to be sound.

    Args:
        mapped: whether large ones stay in the file, mapped into memory: commands that draw from
            one model at a time share them. A file that seqgen writes is never changed, only
            replaced, so that a map of it stays what it was. Not on Windows, which replaces no file
            that is mapped, and training may go on beside the drawing.
    """

    def __init__(self, path: Path, header_bytes: int, *, mapped: bool) -> None:
        self._path, self._start = path, 8 + header_bytes
        with path.open("rb") as file:
            file.seek(8)
            self._table = json.loads(file.read(header_bytes))
        self._file: NDArray[np.uint8] | None = None
        if mapped and os.name == "posix":
            with contextlib.suppress(OSError):  # not all file systems can
                self._file = np.memmap(path, np.uint8, "c").view(np.ndarray)

    def read(self, name: str) -> NDArray[Any]:
        """A tensor; what is written to it stays out of the file."""
        place = self._table[name]
        dtype = DTYPES.get(place["dtype"])
        if dtype is None:
            raise ValueError(f"the tensor {name} is {place['dtype']}")
        begin, end = place["data_offsets"]
        if self._file is not None and end - begin >= _LARGE:
            part = self._file[self._start + begin : self._start + end]
            return part.view(dtype).reshape(place["shape"])
        count = (end - begin) // np.dtype(dtype).itemsize
        found = np.fromfile(self._path, dtype, count, offset=self._start + begin)
        return found.reshape(place["shape"])


def _header_bytes(beginning: bytes) -> int:
    return int.from_bytes(beginning[:8], "little")


def _most_header_bytes(file_bytes: int) -> int:
    return MAX_HEADER_BYTES + file_bytes // HEADER_SHARE


def _require_model_file(path: Path) -> int:
    """The size of its header in bytes."""
    try:
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "no such model"
            raise CheckpointError(f"{path}: {what}; train one with `seqgen train`, or see -m")
        with path.open("rb") as file:
            head = file.read(9)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read: {reason(error)}") from error
    # Eight bytes of header length, then the header's opening brace.
    length = _header_bytes(head)
    if len(head) < 9 or head[8:9] != b"{" or length > _most_header_bytes(size):
        raise CheckpointError(f"{path}: is not a seqgen model")
    return length


def _metadata(path: Path, metadata: dict[str, str] | None) -> dict[str, Any]:
    text = (metadata or {}).get(METADATA_KEY)
    if text is None:
        raise CheckpointError(f"{path}: is a safetensors file, but not a seqgen model")
    values: dict[str, Any] = json.loads(text, parse_constant=_refuse_constant)
    version = values.get("format_version") if isinstance(values, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: has format version {version}, this seqgen reads {FORMAT_VERSION}; "
            + ("upgrade seqgen" if isinstance(version, int) and version > 0 else "train it anew")
        )
    if json.dumps(values) != text:
        raise CheckpointError(f"{path}: is damaged: its description is not as seqgen writes it")
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _check_contract(
    path: Path, model: ModelConfig, indexes: int, names: list[str], file: Any
) -> Storage:
    expected = {MODEL + name: shape for name, shape in shapes(model).items()}
    filters = _filters(indexes)
    found = {name for name in names if not name.startswith(TRAINING)}
    for name in sorted(found ^ {*expected, *filters}):
        what = "does not belong" if name in found else "is missing"
        raise CheckpointError(f"{path}: is damaged: the tensor {name} {what}")
    storage = "F32"
    for number, (name, shape) in enumerate(expected.items()):
        part = file.get_slice(name)
        # What the first is, all are.
        storage = part.get_dtype() if number == 0 and part.get_dtype() in _STORED else storage
        if tuple(part.get_shape()) != shape or part.get_dtype() != storage:
            raise CheckpointError(
                f"{path}: is damaged: the tensor {name} is {part.get_dtype()} "
                f"{part.get_shape()}, not {storage} {list(shape)}"
            )
    for name in filters:
        part = file.get_slice(name)
        shape = part.get_shape()
        if part.get_dtype() != "U8" or len(shape) != 1 or not 0 < shape[0] <= MOST_INDEX_BYTES:
            raise CheckpointError(
                f"{path}: is damaged: the tensor {name} is {part.get_dtype()} {shape}, not U8 of "
                f"at most {MOST_INDEX_BYTES:,}"
            )
    return _STORED[storage]


def _filters(count: int) -> list[str]:
    """The tensors of so many indexes."""
    return [f"{INDEX}{number}" for number in range(count)]


def _digest(values: Mapping[str, Any], tensors: Tensors | None) -> str:
    digest = hashlib.sha256()
    framed = {key: value for key, value in values.items() if key != "digest"}
    digest.update(json.dumps(framed, sort_keys=True).encode())
    for name, tensor in sorted((tensors or {}).items()):
        digest.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        digest.update(np.ascontiguousarray(tensor).data)
    return digest.hexdigest()


def card_to_json(card: Card) -> dict[str, Any]:
    """The card as it stands in the file."""
    values = {f.name: getattr(card, f.name) for f in dataclasses.fields(Card)}
    values["model"] = to_json(card.model)
    values["tokenizer"] = card.tokenizer.to_json()
    return {"format_version": FORMAT_VERSION, **values}


def _card_from_json(path: Path, values: dict[str, Any]) -> Card:
    names = {f.name for f in dataclasses.fields(Card)}
    if set(values) - {"index"} != names | {"format_version", "training_digest"}:
        raise CheckpointError(f"{path}: is damaged: its description is incomplete")
    try:
        model = from_json(ModelConfig, values["model"])
        tokenizer = Tokenizer.from_json(values["tokenizer"])
    except (SeqgenError, TypeError) as error:
        raise CheckpointError(f"{path}: is damaged: {error}") from error
    if tokenizer.size != model.vocabulary:
        raise CheckpointError(
            f"{path}: is damaged: {tokenizer.size} tokens for a vocabulary of {model.vocabulary}"
        )
    types: dict[str, type] = {"corpus": dict, "recipe": dict, "metrics": dict, "versions": dict}
    types |= {"kind": str, "created": str, "digest": str}
    for name, kind in types.items():
        if not isinstance(values[name], kind):
            raise CheckpointError(f"{path}: is damaged: its {name} is no {kind.__name__}")
    if values["kind"] not in UNITS:
        raise CheckpointError(f"{path}: is damaged: it writes neither of {', '.join(UNITS)}")
    unit = UNITS[values["kind"]]
    metrics, progress = values["metrics"], values["progress"]
    # Whole numbers of any size are JSON, but not all of them are numbers to reckon with.
    numbers = all(isinstance(n, (int, float)) and -MOST < n < MOST for n in metrics.values())
    needed = {"step", f"nats_per_{unit}", f"bits_per_{unit}"}
    if not numbers or (metrics and not metrics.keys() >= needed):
        raise CheckpointError(f"{path}: is damaged: its metrics are incomplete")
    if progress is not None and not (isinstance(progress, dict) and "step" in progress):
        raise CheckpointError(f"{path}: is damaged: its progress is incomplete")
    known = {name: values[name] for name in names}
    return Card(**{**known, "model": model, "tokenizer": tokenizer})
