"""What the grammar did to a model's probabilities, for people."""

from __future__ import annotations

from math import log2

__all__ = ["Explanation"]

_HALF = 0.5


class Explanation:
    """The share of probability that the grammar removed at each token, and in all."""

    def __init__(self) -> None:
        self._tokens: list[tuple[str, float]] = []

    def add(self, text: str, removed: float) -> None:
        """Count one token: its text, and the share that stood on what could not come."""
        self._tokens.append((text, min(1.0, max(0.0, removed))))

    def lines(self) -> list[str]:
        """A line a token, then the sums."""
        lines = [
            f"{removed:8.4%}  {text!r}" if text else f"{removed:8.4%}  end of the tune"
            for text, removed in self._tokens
        ]
        count = len(self._tokens)
        if not count:
            return ["the grammar removed nothing: no token was drawn"]
        shares = [removed for _, removed in self._tokens]
        bits = -sum(log2(max(1.0 - share, 1e-300)) for share in shares)
        half = sum(share > _HALF for share in shares)
        lines.append(
            f"in all: {bits:.2f} bits over {count} tokens; {sum(shares) / count:.2%} of the "
            f"probability a token; more than half at {half} ({half / count:.2%})"
        )
        return lines
