"""How lengths are written, and which notes fill a stretch of time, in whole steps.

A step is 1/1024 of a whole note. Written lengths are multiples of 1/128: shorter ones stand in no
collection, and a power of two below the slash is all that every player reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from seqgen.music.abc.values import parse_length

__all__ = ["SHORTEST", "WHOLE", "Lengths"]

WHOLE = 1024
SHORTEST = 8
_PLAIN_GRAIN = 64
_LONGEST = 64


def _texts() -> dict[str, Fraction]:
    numerators = [str(number) for number in range(1, _LONGEST + 1)]
    odd = [str(number) for number in range(1, 32, 2)]
    texts = ["", "/", "//", "///", *numerators, *(f"{top}/" for top in odd[:8])]
    texts += [f"{top}//" for top in odd[:4]]
    # In lowest terms only: 4/2 stands in no collection.
    texts += [f"{top}/{bottom}" for top in ["", *odd] for bottom in (2, 4, 8, 16)]
    return {text: parse_length(text) if text else Fraction(1) for text in texts}


@dataclass(frozen=True, slots=True, eq=False)
class Lengths:
    """The lengths that can be written with one unit note length and one set of characters.

    Args:
        values: steps by text; "" is the unit.
        reachable: by the beginning of a text, the steps it can still become.
        cheapest: the shortest text by steps.
    """

    values: dict[str, int]
    reachable: dict[str, tuple[int, ...]]
    cheapest: dict[int, str]

    @staticmethod
    @lru_cache(maxsize=64)
    def of(unit: int, alphabet: frozenset[str] | None = None, plain: bool = False) -> Lengths:
        """Those for a unit of so many steps; an alphabet of None holds every character.

        Args:
            plain: without 3/4, 5/8 and the like of a short unit. A note of one unit that goes on
                with a 3 is nearly always a note too long for its bar, not three quarters of a unit.
        """
        values: dict[str, int] = {}
        reachable: dict[str, set[int]] = {}
        cheapest: dict[int, str] = {}
        for text, value in _texts().items():
            steps = value * unit
            if steps.denominator != 1 or steps % SHORTEST:
                continue
            values[text] = int(steps)
            if plain and value.numerator > 1 and 2 < value.denominator > unit // _PLAIN_GRAIN:
                continue
            if alphabet is not None and not alphabet.issuperset(text):
                continue
            for end in range(len(text) + 1):
                reachable.setdefault(text[:end], set()).add(int(steps))
            if len(text) < len(cheapest.get(int(steps), text + " ")):
                cheapest[int(steps)] = text
        return Lengths(
            values, {text: tuple(sorted(found)) for text, found in reachable.items()}, cheapest
        )

    @lru_cache(maxsize=1 << 14)  # noqa: B019 -- there are few objects, which live on
    def fill(self, steps: int) -> tuple[str, ...] | None:
        """Lengths of notes that last so many steps together, few of them; None if there are none.

        Takes the longest that fits, again and again, unless one alone does.
        """
        texts: list[str] = []
        while steps > 0:
            if steps in self.cheapest:
                return (*texts, self.cheapest[steps])
            fitting = max((each for each in self.cheapest if each < steps), default=0)
            if not fitting:
                return None
            texts.append(self.cheapest[fitting])
            steps -= fitting
        return tuple(texts)

    @lru_cache(maxsize=1 << 16)  # noqa: B019 -- as above
    def fill_tuplet(
        self, written: int, notes: int, actual: int, normal: int, room: int, alike: int
    ) -> tuple[int, ...] | None:
        """Lengths in steps of a tuplet's last ``notes`` notes, so that it fits and can be followed.

        Args:
            written: steps of the notes it has, as written; actual, normal: its ratio.
            room: steps left in the bar.
            alike: steps that each must last, 0 if only all the same, -1 if they may differ.
        """
        for each in sorted(self.cheapest, key=lambda steps: (len(self.cheapest[steps]), -steps)):
            if alike > 0 and each != alike:
                continue
            before = written + each * (notes - 1)
            for last in (each, *self.cheapest) if alike < 0 else (each,):
                sounding, rest = divmod((before + last) * normal, actual)
                if not rest and 0 < sounding <= room and self.fill(room - sounding) is not None:
                    return (*(each,) * (notes - 1), last)
        return None
