"""What a model is, how it is trained and how it is sampled: plain values that validate themselves.

Each dataclass is stored in the model file as JSON, so its field names are part of the file format.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from seqgen.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "DEFAULT_SAMPLING",
    "UNITS",
    "Architecture",
    "Compute",
    "Kind",
    "ModelConfig",
    "Precision",
    "SamplingConfig",
    "TrainingConfig",
    "from_json",
    "sampling",
    "to_json",
]

Architecture = Literal["rnn", "gru", "lstm", "transformer"]
Precision = Literal["float32", "bfloat16"]
Compute = Literal["plain", "xla", "native"]
Kind = Literal["abc", "text", "midi"]

UNITS: dict[Kind, str] = {"abc": "char", "text": "char", "midi": "event"}
"""What a model's loss is counted by, whatever its tokens."""

# Bounds on what a file may ask us to allocate; far above anything a laptop trains.
MAX_LAYERS = 64
MAX_WIDTH = 16_384
MAX_VOCABULARY = 1 << 20
MAX_CONTEXT = 1 << 20
MAX_CONVOLUTION = 64


T = TypeVar("T", bound="DataclassInstance")


def to_json(config: DataclassInstance) -> dict[str, Any]:
    """The fields of a configuration, for the model file."""
    return dataclasses.asdict(config)


def from_json(kind: type[T], values: object) -> T:
    """The configuration that to_json gave.

    A field that has a default may be missing: the file is older than the field.

    Raises:
        UsageError: a field is unknown, missing, or out of its range.
    """
    fields = dataclasses.fields(kind)
    names = [field.name for field in fields]
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    if not isinstance(values, dict) or not needed <= set(values) <= set(names):
        raise UsageError(f"{kind.__name__} must hold exactly {', '.join(names)}")
    return kind(**values)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UsageError(message)


def _whole(name: str, value: object, low: int, high: int) -> None:
    ok = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    _require(ok, f"{name} must be a whole number from {low} to {high}, not {value}")


def _real(name: str, value: object, low: float, high: float, *, open_low: bool = False) -> None:
    ok = (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and (isinstance(value, int) or math.isfinite(value))  # an int may be too large for a float
        and (low < value if open_low else low <= value)
        and value <= high
    )
    interval = f"above {low:g}" if open_low else f"at least {low:g}"
    _require(ok, f"{name} must be {interval} and at most {high:g}, not {value}")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of a network: everything that decides the names and shapes of its weights.

    Args:
        arch: ``rnn``, ``gru``, ``lstm`` (recurrent) or ``transformer`` (decoder-only attention).
        vocabulary: number of tokens.
        layers: recurrent layers, or Transformer blocks.
        hidden: width of a recurrent layer's state, or of the Transformer's residual stream.
        embedding: width of the token embedding (``transformer``: equal to ``hidden``).
        heads: attention heads, dividing ``hidden`` into even head widths (others: 0).
        context: tokens of the window it is trained on, which is as far as attention reaches.
        tie_embeddings: whether a Transformer's output shares the embedding's numbers.
        logit_softcap: c in c tanh(logits / c), which keeps a Transformer's logits between -c and
            c; None: they are as they are.
        convolution: positions that a Transformer mixes number by number before it attends, a
            position itself and those before it; 0: none.
    """

    arch: Architecture
    vocabulary: int
    layers: int
    hidden: int
    embedding: int
    heads: int
    context: int
    tie_embeddings: bool = False
    logit_softcap: float | None = None
    convolution: int = 0

    def __post_init__(self) -> None:
        _require(
            self.arch in get_args(Architecture),
            f"arch must be one of {', '.join(get_args(Architecture))}, not {self.arch}",
        )
        _whole("vocabulary", self.vocabulary, 2, MAX_VOCABULARY)
        _whole("layers", self.layers, 1, MAX_LAYERS)
        _whole("hidden", self.hidden, 1, MAX_WIDTH)
        _whole("embedding", self.embedding, 1, MAX_WIDTH)
        _whole("context", self.context, 2, MAX_CONTEXT)
        if self.arch == "transformer":
            _whole("heads", self.heads, 1, self.hidden)
            parts = f" and divide into {self.heads} even parts" if self.heads > 1 else ""
            _require(
                self.hidden % (2 * self.heads) == 0,
                f"hidden must be even{parts}, since rotary positions turn pairs of numbers; "
                f"{self.hidden} is not",
            )
            _require(self.embedding == self.hidden, "a transformer's embedding equals its hidden")
            _require(isinstance(self.tie_embeddings, bool), "tie-embeddings is true or false")
            if self.logit_softcap is not None:
                _real("logit-softcap", self.logit_softcap, 0, 1e6, open_low=True)
            if self.convolution != 0:
                _whole("convolution, where it is not 0,", self.convolution, 2, MAX_CONVOLUTION)
        else:
            _require(self.heads == 0, f"a network of type {self.arch} has no heads")
            _require(
                not self.tie_embeddings and self.logit_softcap is None and not self.convolution,
                "tie-embeddings, logit-softcap and convolution are a transformer's, not a "
                f"network's of type {self.arch}",
            )

    @property
    def recurrent(self) -> bool:
        """Whether it reads on from a carried state, rather than attending to a window."""
        return self.arch != "transformer"


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How a network is trained; together with the corpus it decides every update.

    Args:
        steps: updates in all; a run by a budget may change them.
        batch_size: sequences that are learnt from at once.
        seq_length: tokens of each sequence (the window of backpropagation through time).
        learning_rate: at its peak, after the warm-up.
        warmup_steps: updates over which the rate rises to its peak; it then falls to zero.
        weight_decay: share of each matrix, but embeddings and convolutions, that an update takes
            off per unit of its learning rate (AdamW's and Muon's).
        clip_norm: global norm that gradients are scaled down to; None if clip_value is given.
        dropout: share of activations dropped between layers.
        evaluate_every, checkpoint_every: updates between evaluations and between saves.
        patience: evaluations without improvement after which training stops.
        seed: decides initial weights, order of the data and dropout.
        precision: of the matrix products (weights and sums are float32).
        clip_value: what each number of the gradients is cut to, up and down; None if clip_norm is.
        ema: decay of the moving average of the weights that is evaluated and saved; None: no
            average.
        accumulate: batches whose gradients are averaged for an update.
        augment: whether each tune is in a key drawn anew in every epoch.
        compute: what runs an update: TensorFlow's own operations one by one (``plain``), all of
            them compiled into one by its compiler (``xla``), or machine code of our own for the
            recurrent layers or the Transformer's blocks (``native``).
    """

    steps: int
    batch_size: int
    seq_length: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    clip_norm: float | None
    dropout: float
    evaluate_every: int
    checkpoint_every: int
    patience: int
    seed: int
    precision: Precision
    clip_value: float | None = None
    ema: float | None = None
    accumulate: int = 1
    augment: bool = False
    compute: Compute = "plain"

    @property
    def tokens_per_update(self) -> int:
        """Tokens that one update learns from."""
        return self.accumulate * self.batch_size * self.seq_length

    def __post_init__(self) -> None:
        _whole("steps", self.steps, 1, 1 << 40)
        _whole("batch-size", self.batch_size, 1, 1 << 20)
        _whole("seq-length", self.seq_length, 2, MAX_CONTEXT)
        _real("learning-rate", self.learning_rate, 0, 10, open_low=True)
        _whole("warmup-steps", self.warmup_steps, 0, self.steps)
        _real("weight-decay", self.weight_decay, 0, 10)
        if self.clip_norm is not None:
            _real("clip-norm", self.clip_norm, 0, 1e9, open_low=True)
        if self.clip_value is not None:
            _real("clip-value", self.clip_value, 0, 1e9, open_low=True)
        _require(
            (self.clip_norm is None) != (self.clip_value is None),
            "clip-norm and clip-value exclude each other",
        )
        if self.ema is not None:
            _real("ema", self.ema, 0, 1 - 1e-6, open_low=True)
        _whole("accumulate", self.accumulate, 1, 1 << 20)
        _real("dropout", self.dropout, 0, 0.95)
        _whole("evaluate-every", self.evaluate_every, 1, 1 << 40)
        _whole("checkpoint-every", self.checkpoint_every, 1, 1 << 40)
        _whole("patience", self.patience, 1, 1 << 40)
        _whole("seed", self.seed, 0, (1 << 63) - 1)
        _require(isinstance(self.augment, bool), "augment is true or false")
        _require(self.precision in get_args(Precision), "precision is float32 or bfloat16")
        _require(self.compute in get_args(Compute), "compute is plain, xla or native")


@dataclass(frozen=True, slots=True)
class SamplingConfig:
    """How the next token is drawn; the filters apply in the order of these fields.

    ``sampling.filters`` defines each, ``docs/sampling.md`` says how they work together.

    Args:
        logit_bias: tokens, by their text, and what is added to their logits; minus infinity bans
            one. ``sampling.penalties.END`` is the end of the document.
        repetition_penalty: divides the positive logits of tokens that have come, and multiplies
            the negative ones; 1 leaves them.
        repeat_last_n: for how many tokens back ``repetition_penalty`` looks, the prompt included;
            -1 for all, 0 for none.
        presence_penalty: nats off a token that has been drawn before.
        frequency_penalty: nats off for each time that it has been drawn before.
        loop_penalty: nats off a token that would repeat what has just come three times or more; see
            ``sampling.loops``.
        temperature: divides the logits; 0 takes the likeliest token always.
        final_temperature: what the temperature is at the end of the piece, after going there in a
            straight line; None keeps it.
        top_k: keep the k likeliest tokens; 0 keeps all.
        top_p: keep the fewest likeliest tokens that hold this probability together.
        min_p: keep tokens at least this share as likely as the likeliest.
        typical_p: keep the fewest tokens that hold this probability together among those whose
            information is nearest to the expected.
        max_tokens: tokens drawn at most.
        stop: end before the first of these texts.
    """

    logit_bias: tuple[tuple[str, float], ...] = ()
    repetition_penalty: float = 1.0
    repeat_last_n: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    loop_penalty: float = 0.0
    temperature: float = 1.0
    final_temperature: float | None = None
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    max_tokens: int = 2000
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for token, value in self.logit_bias:
            _require(token != "", "logit-bias needs a token before its =")
            if value != -math.inf:
                _real(f"logit-bias of {token!r}", value, -100, 100)
        _real("repetition-penalty", self.repetition_penalty, 0, 100, open_low=True)
        _whole("repeat-last-n", self.repeat_last_n, -1, MAX_CONTEXT)
        _real("presence-penalty", self.presence_penalty, -100, 100)
        _real("frequency-penalty", self.frequency_penalty, -100, 100)
        _real("loop-penalty", self.loop_penalty, 0, 1000)
        for temperature in (self.temperature, self.final_temperature):
            if temperature is not None:
                _real("temperature", temperature, 0, 1000)
        _whole("top-k", self.top_k, 0, MAX_VOCABULARY)
        _real("top-p", self.top_p, 0, 1, open_low=True)
        _real("min-p", self.min_p, 0, 1)
        _real("typical-p", self.typical_p, 0, 1, open_low=True)
        _whole("max-tokens", self.max_tokens, 1, 1 << 40)
        _require(all(self.stop), "the stop text must not be empty")


DEFAULT_SAMPLING = {
    "abc": SamplingConfig(loop_penalty=4.0, min_p=0.05, max_tokens=4000),
    "midi": SamplingConfig(max_tokens=4000),
    "text": SamplingConfig(max_tokens=500),
}
"""How each kind of model is sampled unless asked otherwise.

Prose has lists and refrains, so repeats are left alone there. In a tune one unlikely token (a
quotation opened in mid-bar) leads away from all that the model knows; see docs/validity.md for what
a min-p of 0.05 does to tunes.
"""


def sampling(kind: str, **options: Any) -> SamplingConfig:
    """How a kind of model is sampled: as usual, but for the options that are not None.

    Raises:
        UsageError: one is out of its range.
    """
    given = {name: value for name, value in options.items() if value is not None}
    return dataclasses.replace(DEFAULT_SAMPLING[kind], **given)
