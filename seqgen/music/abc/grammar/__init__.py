"""The single definition of a valid tune, recognised character by character.

A tune is valid exactly if :class:`Grammar` accepts it: the decoder multiplies it in, and what it
accepts ``seqgen check`` has nothing to say about. docs/validity.md says the rules in words.

    conditions  what a caller asks beyond validity
    state       where the recogniser stands
    header, music, notes, bars, lengths  the rules
    recogniser  all of it together          finish  the shortest way to an end
"""

from seqgen.music.abc.grammar.conditions import Conditions, parse_range
from seqgen.music.abc.grammar.recogniser import Grammar
from seqgen.music.abc.grammar.state import State

__all__ = ["Conditions", "Grammar", "State", "parse_range"]
