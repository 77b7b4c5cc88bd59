"""What can be done otherwise than the recipe does it, for the ablation.

A change is an option of `seqgen train`, a value of the recipe, or another function in the place of
one of the product's.
"""

from __future__ import annotations

import math
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seqgen.config import ModelConfig
from seqgen.models.parameters import Weights

__all__ = ["CHANGES", "Change"]

TRANSFORMER = "seqgen.models.networks.transformer"

Replace = Callable[[Any], Any]  # what stands in the product, to what shall stand there
Rate = Callable[[int, int, float, int], float]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing done otherwise.

    Attributes:
        options: of ``seqgen train``.
        recipe: fields of the TrainingConfig, whatever the plan says.
        replaced: attributes of the product by their place (``package.module.attribute``).
    """

    options: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    replaced: dict[str, Replace] = field(default_factory=dict)


def with_adamw(rate: float) -> Change:
    """AdamW for all weights: the rule that recurrent networks follow."""

    def replace(optimizer: Any) -> Any:
        return lambda weights, _arch, *rest, **named: optimizer(weights, "lstm", *rest, **named)

    return Change(
        ("--learning-rate", str(rate)), replaced={"seqgen.training.trainer.Optimizer": replace}
    )


def with_rate(rate: Rate) -> Change:
    """Another course of the learning rate."""
    places = ("seqgen.training.trainer.rate_at", "seqgen.training.run.rate_at")
    return Change(replaced={place: lambda _: rate for place in places})


def with_activation(name: str) -> Change:
    """One of TensorFlow's functions in the MLP."""
    return Change(
        replaced={
            f"{TRANSFORMER}.squared_relu": lambda _: pkgutil.resolve_name(f"tensorflow:nn.{name}")
        }
    )


def with_spread(endings: tuple[str, ...], share: Callable[[ModelConfig], float]) -> Change:
    """Weights that begin at zero begin as normal numbers, a share of fan_in**-0.5 wide."""

    def replace(initialise: Any) -> Any:
        def initialise_all(config: ModelConfig, seed: int) -> Weights:
            weights: Weights = initialise(config, seed)
            rng = np.random.default_rng([seed, 2])
            for name, weight in weights.items():
                if name.endswith(endings):
                    deviation = share(config) * weight.shape[0] ** -0.5
                    weights[name] = rng.normal(0.0, deviation, weight.shape).astype(np.float32)
            return weights

        return initialise_all

    return Change(replaced={"seqgen.training.trainer.initialise": replace})


def without_qk_norm(rms_norm: Any) -> Any:
    """RMS norm of all but queries and keys, which alone have four axes."""
    return lambda x: x if len(x.shape) == 4 else rms_norm(x)


def with_sinusoids(look_up: Any) -> Any:
    """Embeddings with the positions of Vaswani et al. (2017) added."""

    def look_up_and_add(network: Any, table: Any, ids: Any) -> Any:
        import tensorflow as tf

        width = table.shape[-1]
        places = np.arange(network.config.context)[:, None]
        angles = places / 10_000 ** (np.arange(0, width, 2) / width)
        waves = tf.constant(np.concatenate([np.sin(angles), np.cos(angles)], 1), tf.float32)
        return look_up(network, table, ids) + waves[: tf.shape(ids)[1]]

    return look_up_and_add


def with_shuffled_windows(batches: Any) -> Any:
    """Windows in random order, each from a state of zeros."""
    return lambda *arguments, **named: batches(*arguments, **(named | {"carried": False}))


def rise(step: int, warmup_steps: int) -> float:
    """The product's warm-up."""
    return min(1.0, (step + 1) / max(1, warmup_steps))


def level_rate(step: int, _steps: int, peak: float, warmup_steps: int) -> float:
    """It never falls."""
    return peak * rise(step, warmup_steps)


def cosine_rate(step: int, steps: int, peak: float, warmup_steps: int) -> float:
    """It falls as half a cosine, to a tenth."""
    return peak * rise(step, warmup_steps) * (0.55 + 0.45 * math.cos(math.pi * step / steps))


FOR_ALL = {
    "the rate never falls": with_rate(level_rate),
    "the rate falls as a cosine, to a tenth": with_rate(cosine_rate),
    "the rate falls from the first update on": Change(
        replaced={"seqgen.training.schedule.LEVEL": lambda _: 0.0}
    ),
    "no warm-up": Change(recipe={"warmup_steps": 0}),
    "no clipping": Change(("--clip-norm", "1e9")),
    "no weight decay": Change(recipe={"weight_decay": 0.0}),
    "no dropout": Change(("--dropout", "0")),
    "dropout 0.2": Change(("--dropout", "0.2")),
    "average of weights, 0.99": Change(("--ema", "0.99")),
    "average of weights, 0.999": Change(("--ema", "0.999")),
    "float32 products": Change(recipe={"precision": "float32"}),
}
CHANGES: dict[str, dict[str, Change]] = {
    "transformer": {
        "AdamW in place of Muon, rate 0.001": with_adamw(0.001),
        "AdamW in place of Muon, rate 0.003": with_adamw(0.003),
        "AdamW in place of Muon, rate 0.006": with_adamw(0.006),
        "Muon by five Newton-Schulz steps": Change(  # with Jordan's coefficients
            replaced={
                "seqgen.training.optimizer.POLAR_STEPS": lambda _: ((3.4445, -4.7750, 2.0315),) * 5
            }
        ),
        "no positions": Change(replaced={f"{TRANSFORMER}.rotate": lambda _: lambda x, *_: x}),
        "sinusoids added in place of rotary positions": Change(
            replaced={
                f"{TRANSFORMER}.rotate": lambda _: lambda x, *_: x,
                f"{TRANSFORMER}.TransformerNetwork.look_up": with_sinusoids,
            }
        ),
        "queries and keys not normalised": Change(
            replaced={f"{TRANSFORMER}.rms_norm": without_qk_norm}
        ),
        "ReLU in place of its square": with_activation("relu"),
        "GELU in place of squared ReLU": with_activation("gelu"),
        "output projections begin at random, not at zero": with_spread(
            ("attention.output", "mlp.down"), lambda config: (2 * config.layers) ** -0.5
        ),
        "logits do not begin at zero": with_spread(("output.kernel",), lambda _: 1.0),
        "no convolutions before attention": Change(("--convolution", "0")),
        "convolutions of 4": Change(("--convolution", "4")),
        "tied embeddings": Change(("--tie-embeddings",)),
        "logits capped at 15": Change(("--logit-softcap", "15")),
        **FOR_ALL,
    },
    "lstm": {
        "state of zeros for each window": Change(
            replaced={"seqgen.training.data.Batches": with_shuffled_windows}
        ),
        **FOR_ALL,
    },
}
