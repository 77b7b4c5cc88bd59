"""The grammar as a mask over a vocabulary: only tokens from which a valid tune can be finished.

The recogniser reads characters and a token is a few of them, so this serves every vocabulary whose
pieces are texts. Masks are kept by state, less what no single token can ask about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from seqgen.errors import InputError, UsageError
from seqgen.music.abc.grammar import Conditions, Grammar, State
from seqgen.music.abc.grammar.bars import accompanied
from seqgen.music.abc.grammar.conditions import WHOLE_RANGE
from seqgen.music.abc.grammar.events import spelling
from seqgen.music.abc.grammar.finish import Finisher, lacking
from seqgen.music.abc.grammar.header import is_plain
from seqgen.music.abc.grammar.music import MOST_IDLE
from seqgen.music.abc.grammar.state import Music, Spelling
from seqgen.sampling.guide import Bar
from seqgen.sampling.upbeats import Upbeats
from seqgen.tokenization import BOUNDARY, Tokenizer
from seqgen.tokenization.tokenizer import FIRST_PIECE

__all__ = ["Constraint", "Place"]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]

_MASK_BYTES = 1 << 26
_MAX_STATES = 1 << 15
_FARTHEST = 512  # tokens; the most that tests have met is a sixth of it
_NOTE_LETTERS = frozenset("ABCDEFGabcdefg")
_EVENT_LETTERS = _NOTE_LETTERS | frozenset("zx")
_FIELD = re.compile(r"\n?\[?[H-Zm-wy]:[^|:]*")  # of letters that are no note or rest


@dataclass(slots=True)
class _Node:
    """Pieces by their characters; ``token`` is the piece that ends here, -1 if none does."""

    token: int = -1
    children: dict[str, _Node] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Place:
    """A state that has been met, with what is known of it: tunes come to the same ones again.

    Args:
        allowed: the tokens that may come if the length allows, (vocabulary,) bool.
        forbidden: minus infinity where a token may not come, else 0, (vocabulary,) float32.
        after: places that tokens lead to, as far as they were asked for.
        generation: of the memory it belongs to.
        closing: what may come in a bar that is to complete the upbeat; None until it is asked for.
    """

    state: State
    allowed: BoolArray
    forbidden: FloatArray
    generation: int
    after: dict[int, Place] = field(default_factory=dict)
    closing: BoolArray | None = None


class Constraint:
    """Which tokens may come, and where each leads.

    Args:
        tokenizer: of the model.
        conditions: what is asked of the tune beyond validity.
        plain: whether only the part of the grammar that is drawn counts; see ``Grammar``.
        compass: MIDI pitches that no drawn note may leave, where the conditions set no range; a
            prompt may.
        heading: what tunes begin with that the model does not write.
    Raises:
        UsageError: the vocabulary lacks characters that every such tune needs.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        conditions: Conditions,
        *,
        plain: bool = True,
        compass: tuple[int, int] | None = None,
        heading: str = "",
    ) -> None:
        self._tokenizer = tokenizer
        alphabet = frozenset(piece for piece in tokenizer.pieces if len(piece) == 1)
        drawn = conditions
        if compass is not None and (conditions.lowest, conditions.highest) == WHOLE_RANGE:
            drawn = replace(conditions, lowest=compass[0], highest=compass[1])
        self.grammar = Grammar(drawn, alphabet, plain=plain)
        given = (conditions.meter, conditions.key, conditions.unit, conditions.rhythm)
        self._asks_fields = any(given)
        # Of prompts.
        self._reader = Grammar(conditions, alphabet, watches=self.grammar.notes.watches)
        self._finisher = Finisher(self.grammar)
        self._upbeats = Upbeats(self.grammar, tokenizer)
        # Odd pieces are those about which the key of a mask does not know enough.
        self._root, self._odd, self._plain = _Node(), _Node(), _Node()
        self._plain_tokens: list[int] = []  # which need no look in a title
        for token, piece in enumerate(tokenizer.pieces, FIRST_PIECE):
            node = self._root
            if _asks_more(piece):
                node = self._odd
            elif is_plain(piece):
                node = self._plain
                self._plain_tokens.append(token)
            for character in piece:
                node = node.children.setdefault(character, _Node())
            node.token = token
        longest = max(map(len, tokenizer.pieces), default=1)
        # One token can add at most this much to what is needed to finish; one that sets the metre
        # or the unit note length adds to every bar that was asked for.
        bars = max(1, len(conditions.sections)) * max(0, conditions.section_bars)
        self._margin = 64 + 16 * longest
        self._margin_of_fields = self._margin + 8 * bars
        # No state is farther from an end than this, but for bars and values that were asked for.
        asked = 64 * bars
        self._farthest = _FARTHEST + asked + sum(map(len, self.grammar.forced.values()))
        # With the most idle characters for which each holds.
        self._masks: dict[object, tuple[int, BoolArray, FloatArray]] = {}
        self._places: dict[State, Place] = {}
        self._generation = 0
        self._most_masks = max(256, _MASK_BYTES // (5 * tokenizer.size))
        self._least: dict[State, int | None] = {}
        self._least_before: dict[State, int | None] = {}
        if self.least(self.begin(heading)) is None:
            missing = " ".join(map(repr, lacking(drawn, heading, alphabet)))
            raise UsageError(
                "this model's vocabulary can't spell such a tune"
                + (f"; it lacks {missing}" if missing else "")
            )

    def begin(self, prompt: str) -> State:
        """The state after a prompt.

        Raises:
            InputError: no valid tune begins with it: the place, and what is wrong there.
        """
        if len(self._least) > _MAX_STATES:
            # What others that are drawn rely on stays: see least.
            self._least_before, self._least = self._least, {}
        state: State | None = self.grammar.start()
        for offset, character in enumerate(prompt):
            before = state
            state = self._reader.advance(before, character) if before is not None else None
            if state is None and before is not None:
                raise InputError(
                    "the prompt is no valid tune from here on: "
                    + self._reader.reason(before, character),
                    line=prompt.count("\n", 0, offset) + 1,
                    column=offset - prompt.rfind("\n", 0, offset),
                )
        assert state is not None  # the loop has raised
        return state

    def read(self, state: State, text: str) -> State | None:
        """The state after a text that is given, not drawn; None if it can't stand there."""
        return self._reader.read(state, text)

    def least(self, state: State) -> int | None:
        """Tokens, at most, that a valid tune can be finished with from here; None if it can't."""
        if state not in self._least and state in self._least_before:
            self._least[state] = self._least_before[state]
        if state not in self._least:
            text = self._finisher.text(state)
            self._least[state] = None if text is None else len(text)
            # The states on this way are no farther from an end, however each alone would find one.
            on: State | None = state
            for done, character in enumerate(text or "", 1):
                on = self.grammar.advance(on, character) if on is not None else None
                if on is not None:
                    known = self._least.get(on, self._least_before.get(on))
                    left = len(text or "") - done
                    self._least[on] = left if known is None else min(known, left)
        return self._least[state]

    def binds(self, state: State, left: int) -> int:
        """For how many tokens from here, of those left, the length left is sure not to matter."""
        if left > self._farthest:
            return left - self._farthest
        margin = self._margin if isinstance(state, Music) else self._margin_of_fields
        return max(0, left - (self.least(state) or 0)) // margin

    def allowed(self, state: State) -> BoolArray:
        """The tokens that may come if the length allows, (vocabulary,) bool.

        The boundary is among them where the tune may end.
        """
        return self._mask(state)[0]

    def _mask(self, state: State) -> tuple[BoolArray, FloatArray]:
        tokens: list[int] = []
        self._walk(self._odd, state, tokens)
        idle = state.idle if isinstance(state, Music) else 0
        busy = state._replace(idle=0) if isinstance(state, Music) and idle else state
        key: object = (self._key(busy), tuple(tokens))
        found = self._masks.get(key)
        if found is None or idle > found[0]:
            found = self._masks.get((key, idle))
        if found is None:
            if len(self._masks) >= self._most_masks:
                self._forget()
            most = self._walk(self._root, state, tokens)
            if self.grammar.takes_text(state):
                tokens += self._plain_tokens
            else:
                most = max(most, self._walk(self._plain, state, tokens))
            mask = np.zeros(self._tokenizer.size, np.bool_)
            mask[tokens] = True
            mask[BOUNDARY] = self.grammar.is_final(state)
            forbidden = np.where(mask, np.float32(0), np.float32(-np.inf))
            if most < MOST_IDLE:
                # It did not count: nor does it while the most that a token meets stays below.
                found = self._masks[key] = idle + MOST_IDLE - 1 - most, mask, forbidden
            else:
                found = self._masks[key, idle] = idle, mask, forbidden
        return found[1:]

    def tries(self, state: State) -> bool:
        """Whether what is drawn in a state is on trial: fields are asked for and may be to come."""
        return self._asks_fields and not isinstance(state, Music)

    def bar(self, before: State, token: int, after: State) -> Bar:
        """What a token was for a section that has an upbeat of its own."""
        return self._upbeats.bar(before, token, after)

    def closing(self, place: Place) -> BoolArray:
        """See Upbeats.closing."""
        if place.closing is None:
            place.closing = self._upbeats.closing(place.state, place.allowed)
        return place.closing

    def place(self, state: State) -> Place:
        """The place of a state."""
        place = self._places.get(state)
        if place is None:
            if len(self._places) >= _MAX_STATES:
                self._forget()
            mask = self._mask(state)
            place = self._places[state] = Place(state, *mask, self._generation)
        return place

    def _forget(self) -> None:
        self._masks.clear()
        self._places.clear()
        self._generation += 1

    def follow(self, place: Place, token: int) -> Place:
        """The place that an allowed token leads to."""
        after = place.after.get(token)
        if after is None or after.generation != self._generation:
            after = self.place(self.advance(place.state, token))
            # What has been forgotten is not held on to by what follows it.
            if place.generation == self._generation:
                place.after[token] = after
        return after

    def _walk(self, node: _Node, state: State, tokens: list[int]) -> int:
        """Adds the tokens below a node that may come; the most idle characters met on the way."""
        # No recursion: a stranger's model may have a token of any length.
        ways, most = [(node, state)], 0
        while ways:
            node, state = ways.pop()
            if isinstance(state, Music) and state.idle > most:
                most = state.idle
            for character, child in node.children.items():
                after = self.grammar.advance(state, character)
                if after is not None:
                    if child.token >= 0:
                        tokens.append(child.token)
                    if child.children:
                        ways.append((child, after))
        return most

    def advance(self, state: State, token: int) -> State:
        """The state after a token that is allowed."""
        after = self.grammar.read(state, self._tokenizer.pieces[token - FIRST_PIECE])
        assert after is not None  # it was allowed
        return after

    def _key(self, state: State) -> object:
        """What of a state a single token can ask about."""
        if not isinstance(state, Music):
            return state
        if state.tied or state.inside or state.place == "accidental":
            return state
        rules, notes = self.grammar.music, self.grammar.notes
        pitch: object = min(len(state.last), 2)
        settled: Music | None = state
        text = state.text
        if state.place in ("note", "first note"):
            pitch, text = rules.pitch_key(state), ""
            sounding: tuple[Spelling, ...] = (spelling(state.text),)
        else:
            sounding = state.last
        if state.place in ("note", "first note", "length"):
            settled = rules.settle(state)
        full = state.setting.full
        line = state.place == "bar" or settled is None or rules.bars.may_come(settled)
        short = bool(settled and full and settled.spent == full - settled.pickup)
        shifted = bool(state.pickup % state.setting.unit)
        shifted |= not accompanied(state.setting, state.pickup)
        kept = state._replace(
            setting=state.setting._replace(key=()), text=text, last=(), alters=(),
            pickup=short + 2 * shifted, own=False,
        )  # fmt: skip
        if not line:
            # What decides about bar lines only.
            kept = kept._replace(ending=0, opened=False, music=True, first=False, split=0)
        return kept, pitch, notes.edges(state, sounding)


def _asks_more(piece: str) -> bool:
    """Whether a piece could tie a note from before it, or add octave marks to it more than once.

    Or end a bar that it fills or goes on with: `D:` is a note and half a bar line, too.
    """
    line = min((at for at in map(piece.find, "|:") if at >= 0), default=-1)
    if line >= 0 and not _FIELD.fullmatch(piece):
        before = piece[:line].strip("[ ")
        if before or _EVENT_LETTERS.intersection(piece):
            return True
    for index, character in enumerate(piece[:-1]):
        if character in _NOTE_LETTERS:
            return False
        if character == "-" or (character in ",'" and piece[index + 1] in ",'"):
            return True
    return False
