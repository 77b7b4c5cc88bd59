"""The grammar as one incremental recogniser, from the first character of a tune to its last."""

from __future__ import annotations

from seqgen.music.abc.grammar import header
from seqgen.music.abc.grammar.bars import BarRules
from seqgen.music.abc.grammar.conditions import Conditions
from seqgen.music.abc.grammar.field_values import read_setting
from seqgen.music.abc.grammar.music import MusicRules
from seqgen.music.abc.grammar.notes import Notes
from seqgen.music.abc.grammar.state import Header, Music, State

__all__ = ["Grammar"]


class Grammar:
    """What a valid tune is, under some conditions.

    Every state that ``advance`` gives can be finished with the characters of the alphabet.

    Args:
        conditions: what is asked beyond validity.
        alphabet: the characters that a tune can be finished with; None for all.
        plain: only the part that is drawn: no bar divided by a section's edge or by its endings, no
            length such as 3/4 of an eighth, no comment or long text in the music. Real tunes hold
            these, rarely; in a tune that is being drawn they are nearly always a bar line too early
            or a note too long, and to allow them would let a slip lead astray.
        watches: whether states tell of accidentals, though no range is asked for here, for another
            grammar that goes on from them and has one.
    """

    def __init__(
        self,
        conditions: Conditions | None = None,
        alphabet: frozenset[str] | None = None,
        *,
        plain: bool = False,
        watches: bool = False,
    ) -> None:
        conditions = conditions or Conditions()
        self.conditions, self.alphabet, self._plain = conditions, alphabet, plain
        values = {
            "T": conditions.title, "M": conditions.meter, "L": conditions.unit,
            "K": conditions.key, "R": conditions.rhythm,
        }  # fmt: skip
        self.forced = {field: value for field, value in values.items() if value}
        self.notes = Notes(conditions.lowest, conditions.highest, alphabet, plain, watches)
        self._bars = BarRules(conditions, plain)
        self.music = MusicRules(self.notes, self._bars, frozenset(self.forced), alphabet, plain)

    def start(self) -> State:
        """Before the first character."""
        return Header()

    def advance(self, state: State, character: str) -> State | None:
        """The state after one more character; None if no valid tune goes on so."""
        if isinstance(state, Music):
            return self.music.advance(state, character)
        found = header.advance(state, character, self.forced, self.alphabet, self._plain)
        if found is None or isinstance(found, Header):
            return found
        setting = read_setting(*found)
        if setting.full and self.notes.lengths(setting).fill(setting.full) is None:
            return None
        return Music(setting, bars=self.conditions.section_bars)

    def takes_text(self, state: State) -> bool:
        """Whether any text may come that is plain; see ``header.is_plain``."""
        return isinstance(state, Header) and header.takes(state, self.forced)

    def read(self, state: State, text: str) -> State | None:
        """The state after a text; None if it can't stand there."""
        now: State | None = state
        for character in text:
            if now is None:
                return None
            now = self.advance(now, character)
        return now

    def is_final(self, state: State) -> bool:
        """Whether a valid tune may end here."""
        if not isinstance(state, Music):
            return False
        if state.place == "bar":
            done = self.music.settle(state)
            return done is not None and done.closed
        if state.waiting or state.tuplet:
            return False
        if state.place == "bang":
            return state.closed and not state.text and not state.field
        return state.closed and state.place in ("gap", "line", "line end", "comment", "percent")

    def reason(self, state: State, character: str) -> str:
        """Why a character that ``advance`` refuses can't stand there, in one sentence's end."""
        from seqgen.music.abc.grammar import reasons

        return reasons.reason(self, state, character)

    def fault(self, text: str, *, whole: bool = True) -> int | None:
        """The offset of the first character that can't stand there; None if there is none.

        Args:
            whole: whether the text must be a finished tune; its length is the offset if it isn't.
        """
        state: State | None = self.start()
        for offset, character in enumerate(text):
            if state is None:
                return offset - 1
            state = self.advance(state, character)
        if state is None:
            return len(text) - 1
        return len(text) if whole and not self.is_final(state) else None
