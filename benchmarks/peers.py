"""What seqgen is compared with: nanoGPT's Transformer and the MIT lab's LSTM, in PyTorch.

Both are the recipes that their readers run on a laptop: nanoGPT's as the README of karpathy/nanoGPT
gives it for a CPU, and lab 1 of MIT 6.S191 ("Music Generation with RNNs"). nanoGPT's model.py is
taken from the user's checkout; no line of it is here.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MitLstm", "NanoGPT", "nanogpt", "require_nanogpt", "torch_lstm"]

NANOGPT_RATE = 1e-3
NANOGPT_LEAST_RATE = 1e-4
NANOGPT_WARM_UP = 100  # updates
MIT_BATCH, MIT_WINDOW = 8, 100
MIT_LANES = 16  # stretches of the held-out tunes that are read side by side
NOTHING = -1  # to predict

Tokens = NDArray[np.int64]


def require_nanogpt(folder: Path | None) -> Path:
    """The folder, if it holds nanoGPT's model; else the end of the program."""
    if folder is not None and (folder / "model.py").is_file():
        return folder
    problem = "nanoGPT is needed" if folder is None else f"{folder} holds no model.py"
    sys.exit(
        f"{problem}: get it with git clone https://github.com/karpathy/nanoGPT, and name its "
        "folder with --nanogpt FOLDER"
    )


def nanogpt(folder: Path, vocabulary: int, window: int, blocks: int, heads: int, width: int) -> Any:
    """nanoGPT's network, without dropout and uncompiled.

    Args:
        folder: a checkout of karpathy/nanoGPT.
    """
    sys.path.insert(0, str(folder))
    module = importlib.import_module("model")
    with contextlib.redirect_stdout(sys.stderr):  # it tells its size
        return module.GPT(
            module.GPTConfig(
                block_size=window,
                vocab_size=vocabulary,
                n_layer=blocks,
                n_head=heads,
                n_embd=width,
                dropout=0.0,
                bias=False,
            )
        )


class NanoGPT:
    """nanoGPT at 4 layers x 128 without dropout, uncompiled, and its update.

    Args:
        folder: a checkout of karpathy/nanoGPT.
        vocabulary: number of tokens.
        batch, window: sequences of an update and their length.
        steps: over which the rate falls.
    """

    def __init__(
        self, folder: Path, vocabulary: int, batch: int = 12, window: int = 64, steps: int = 2000
    ) -> None:
        import torch

        torch.manual_seed(1337)
        self.batch, self.window, self.steps = batch, window, steps
        self.model = nanogpt(folder, vocabulary, window, 4, 4, 128)
        with contextlib.redirect_stdout(sys.stderr):  # it tells about its optimizer
            self.optimizer = self.model.configure_optimizers(0.1, NANOGPT_RATE, (0.9, 0.99), "cpu")

    def rate_at(self, step: int) -> float:
        """Warm-up, then half a cosine down to a tenth."""
        if step < NANOGPT_WARM_UP:
            return NANOGPT_RATE * (step + 1) / (NANOGPT_WARM_UP + 1)
        done = (step - NANOGPT_WARM_UP) / max(1, self.steps - NANOGPT_WARM_UP)
        span = NANOGPT_RATE - NANOGPT_LEAST_RATE
        return NANOGPT_LEAST_RATE + span * (1 + math.cos(math.pi * min(1.0, done))) / 2

    def update(self, tokens: NDArray[Any], step: int, *, bfloat16: bool = False) -> None:
        """Learn from random windows of tokens, (all,) integers, as update ``step`` from 0."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = self.rate_at(step)
        starts = torch.randint(len(tokens) - self.window, (self.batch,)).tolist()
        windows = np.stack([tokens[i : i + self.window + 1] for i in starts]).astype(np.int64)
        ids = torch.from_numpy(windows)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            _, loss = self.model(ids[:, :-1], ids[:, 1:].contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        loss.item()

    def nats(self, tokens: Tokens) -> float:
        """Mean loss a token over all of a text, in windows side by side, dropout off.

        That is what its own estimate is of: windows as long as those it learns from, each begun
        without context.
        """
        import torch

        self.model.eval()
        total = 0.0
        with torch.no_grad():
            for begin in range(0, len(tokens) - 1, self.window):
                ids = torch.from_numpy(tokens[begin : begin + self.window + 1])[None]
                _, loss = self.model(ids[:, :-1], ids[:, 1:].contiguous())
                total += float(loss) * (ids.shape[1] - 1)
        self.model.train()
        return total / (len(tokens) - 1)


def torch_lstm(vocabulary: int, embedding: int, hidden: int) -> Any:
    """An embedding, ``torch.nn.LSTM`` and logits: (batch, time) ids, state or None to logits and
    the next state."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(vocabulary, embedding)
            self.lstm = torch.nn.LSTM(embedding, hidden, batch_first=True)
            self.output = torch.nn.Linear(hidden, vocabulary)

        def forward(self, ids: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
            hidden, state = self.lstm(self.embedding(ids), state)
            return self.output(hidden), state

    return Network()


class MitLstm:
    """The lab's network and update: random windows of the tunes as one text, each from a state of
    zeros.

    Args:
        vocabulary: number of tokens.
    """

    def __init__(self, vocabulary: int) -> None:
        import torch

        torch.manual_seed(0)
        self.rng = np.random.default_rng(0)
        self.model = torch_lstm(vocabulary, 256, 1024)
        self.optimizer = torch.optim.Adam(self.model.parameters(), 5e-3)

    def update(self, tokens: Tokens) -> None:
        """Learn from random windows of tokens, (all,) integers."""
        import torch

        starts = self.rng.integers(len(tokens) - MIT_WINDOW, size=MIT_BATCH)
        windows = torch.from_numpy(np.stack([tokens[i : i + MIT_WINDOW + 1] for i in starts]))
        self.optimizer.zero_grad()
        logits, _ = self.model(windows[:, :-1])
        targets = windows[:, 1:].flatten()
        loss: Any = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets)
        loss.backward()
        self.optimizer.step()
        loss.item()

    def nats(self, tokens: Tokens) -> float:
        """Mean loss a token over all of a text.

        It is read as a few long stretches side by side, each from a state of zeros.
        """
        import torch

        missing = -(len(tokens) - 1) % MIT_LANES
        ids = np.pad(tokens[:-1], (0, missing)).reshape(MIT_LANES, -1)
        targets = np.pad(tokens[1:], (0, missing), constant_values=NOTHING)
        with torch.no_grad():
            logits, _ = self.model(torch.from_numpy(ids))
            total = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1),
                torch.from_numpy(targets),
                ignore_index=NOTHING,
                reduction="sum",
            )
        return float(total) / (len(tokens) - 1)
