"""A model made ready to draw from."""

from __future__ import annotations

from collections.abc import Iterator

from seqgen.checkpoint import Checkpoint
from seqgen.config import SamplingConfig
from seqgen.models import decoders
from seqgen.sampling.generate import continuation

__all__ = ["Sampler"]


class Sampler:
    """Samples of one model, one set of options, one prompt and one seed.

    Args:
        saved: the model.
        config: how tokens are drawn.
        prompt: what every sample begins with; may be empty.
        seed: with a sample's number, decides it.
    """

    def __init__(
        self, saved: Checkpoint, config: SamplingConfig, *, prompt: str, seed: int
    ) -> None:
        self.saved, self.config, self.prompt, self.seed = saved, config, prompt, seed
        self._decoder = decoders.build(saved.card.model, saved.weights)

    def stream(self, number: int) -> Iterator[str]:
        """Sample ``number``, counted from 0, the prompt first, in pieces as it is drawn."""
        if self.prompt:
            yield self.prompt
        yield from continuation(
            self._decoder,
            self.saved.card.tokenizer,
            self.prompt,
            self.config,
            seed=self.seed,
            number=number,
        )

    def text(self, number: int) -> str:
        """Sample ``number`` as a whole, ending in a newline."""
        text = "".join(self.stream(number))
        return text if text.endswith("\n") else text + "\n"
