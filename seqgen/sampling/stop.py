"""Texts before which a sample ends."""

from __future__ import annotations

__all__ = ["Stop"]


class Stop:
    """Lets text through up to the first stop text, holding back what could be one's beginning.

    The first is the one that is complete first as the characters come, and of several that end
    together the longest: how the text was cut into tokens makes no difference.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.met = False

    def feed(self, text: str) -> str:
        if not self._stops:
            return text
        self._held += text
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.met = True
            ready, self._held = self._held[: min(found)[1]], ""
            return ready
        # The longest end of what is held that begins a stop text is not decided yet.
        cut = max(0, len(self._held) - max(map(len, self._stops)) + 1)
        while not any(stop.startswith(self._held[cut:]) for stop in self._stops):
            cut += 1
        ready, self._held = self._held[:cut], self._held[cut:]
        return ready

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held
