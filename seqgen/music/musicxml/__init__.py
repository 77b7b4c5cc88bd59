"""Scores as MusicXML 4.0 (https://www.w3.org/2021/06/musicxml40/), for notation programs.

Written directly and not through music21: exact, with beams, endings, tuplets, lyrics and line
breaks as the score has them, in a hundredth of the time, and music21's reader can then check it.
"""
