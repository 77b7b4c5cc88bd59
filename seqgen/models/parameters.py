"""Every weight's name and shape, per architecture: the one contract.

Training exports to these names, the model file is checked against them before anything is
allocated, and the decoders read them. Kernels are laid out (inputs, outputs), so that a layer is
``x @ kernel``. All weights are float32.

A recurrent cell's gates stand side by side in the last axis, those that a sigmoid covers first:

    rnn     hidden
    gru     update, reset, candidate
    lstm    input, forget, output, cell
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seqgen.config import Architecture, ModelConfig

__all__ = ["MLP_RATIO", "STATES", "Weights", "count", "initialise", "shapes"]

Weights = dict[str, NDArray[np.float32]]
Shapes = dict[str, tuple[int, ...]]

GATES: dict[Architecture, int] = {"rnn": 1, "gru": 3, "lstm": 4}
STATES: dict[Architecture, int] = {"rnn": 1, "gru": 1, "lstm": 2}  # vectors a layer remembers
MLP_RATIO = 4  # width of the Transformer's hidden MLP layer over that of the residual stream


def _recurrent(config: ModelConfig) -> Shapes:
    vocabulary, hidden = config.vocabulary, config.hidden
    gates = GATES[config.arch] * hidden
    table: Shapes = {"embedding": (vocabulary, config.embedding)}
    inputs = config.embedding
    for layer in range(config.layers):
        table[f"{config.arch}.{layer}.input_kernel"] = (inputs, gates)
        table[f"{config.arch}.{layer}.recurrent_kernel"] = (hidden, gates)
        table[f"{config.arch}.{layer}.bias"] = (gates,)
        if config.arch == "gru":  # its reset gate scales the recurrent product and this
            table[f"{config.arch}.{layer}.recurrent_bias"] = (gates,)
        inputs = hidden
    table["output.kernel"] = (hidden, vocabulary)
    table["output.bias"] = (vocabulary,)
    return table


def _transformer(config: ModelConfig) -> Shapes:
    vocabulary, hidden = config.vocabulary, config.hidden
    table: Shapes = {"embedding": (vocabulary, hidden)}
    for layer in range(config.layers):
        if config.convolution:
            table[f"block.{layer}.attention.convolution"] = (config.convolution, hidden)
        table[f"block.{layer}.attention.query_key_value"] = (hidden, 3 * hidden)
        table[f"block.{layer}.attention.output"] = (hidden, hidden)
        table[f"block.{layer}.mlp.up"] = (hidden, MLP_RATIO * hidden)
        table[f"block.{layer}.mlp.down"] = (MLP_RATIO * hidden, hidden)
    if not config.tie_embeddings:  # else it is the embedding's transpose (Press & Wolf 2017)
        table["output.kernel"] = (hidden, vocabulary)
    return table


_SHAPES: dict[Architecture, Callable[[ModelConfig], Shapes]] = {
    "rnn": _recurrent,
    "gru": _recurrent,
    "lstm": _recurrent,
    "transformer": _transformer,
}


def shapes(config: ModelConfig) -> Shapes:
    """Name and shape of every weight of a network, in the order data meets them."""
    return _SHAPES[config.arch](config)


def count(config: ModelConfig) -> int:
    """Number of weights."""
    return sum(int(np.prod(shape)) for shape in shapes(config).values())


def initialise(config: ModelConfig, seed: int) -> Weights:
    """Weights before training: float32 arrays under their names, a function of the seed alone.

    Recurrent: Glorot uniform input kernels (Glorot & Bengio 2010), orthogonal recurrent kernels
    (Saxe et al. 2014), and an LSTM's forget-gate biases of 1 so that memory is kept at first
    (Jozefowicz et al. 2015).
    Transformer: normal with deviation fan_in**-0.5; the projections that write to the residual
    stream and the output start at zero, so that every block starts as the identity. The embedding
    is normalised when it is read, so its size matters only where the output shares it: there it is
    small, so that the first logits are. Convolutions start as the identity.
    """
    rng = np.random.default_rng([seed, 0])
    weights: Weights = {}
    for name, shape in shapes(config).items():
        weights[name] = _initial(name, shape, config, rng).astype(np.float32)
    return weights


def _initial(
    name: str, shape: tuple[int, ...], config: ModelConfig, rng: np.random.Generator
) -> NDArray[np.float64]:
    if name.endswith("bias"):
        bias = np.zeros(shape)
        if name.startswith("lstm"):
            bias[config.hidden : 2 * config.hidden] = 1.0
        return bias
    if config.arch == "transformer":
        if name.endswith(("attention.output", "mlp.down", "output.kernel")):
            return np.zeros(shape)
        if name.endswith("attention.convolution"):
            kernel = np.zeros(shape)
            kernel[0] = 1.0  # all from the position itself
            return kernel
        if name == "embedding":
            return rng.normal(0.0, 1.0 / config.hidden if config.tie_embeddings else 1.0, shape)
        return rng.normal(0.0, shape[0] ** -0.5, shape)
    if name == "embedding":
        return rng.normal(0.0, config.embedding**-0.5, shape)
    if name.endswith("recurrent_kernel"):
        hidden = shape[0]
        gates = [_orthogonal(hidden, rng) for _ in range(shape[1] // hidden)]
        return np.concatenate(gates, axis=1)
    limit = np.sqrt(6.0 / sum(shape))
    return rng.uniform(-limit, limit, shape)


def _orthogonal(size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    # Without this sign LAPACK's convention would bias the distribution (Mezzadri 2007).
    return np.asarray(q * np.sign(np.diag(r)))
