"""MIDI as a sequence of events that a network can learn: REMI+ (von Rütte et al. 2023).

REMI (Huang and Yang 2020) tells time by bars and positions in them; REMI+ adds metres and programs,
so that all instruments stand in one sequence. The words are spelled as MidiTok spells them (Fradet
et al. 2021: ``REMI`` with ``use_tempos``, ``use_time_signatures``, ``use_programs`` and
``program_changes``), one a line:

    Bar_None         a bar begins; always followed by its metre
    TimeSig_6/8      the metre of the bar
    Position_12      so many twelfths of a quarter note after the bar line
    Tempo_120.0      quarter notes a minute from here on; only where it changes
    Program_40       the instrument of the notes that follow, -1 the drums; only where it changes
    Pitch_67         a note's MIDI number; for the drums PitchDrum_36
    Velocity_79      how hard it is struck
    Duration_1.6.12  how long: quarter notes, and parts of one more

What is kept, and how exactly:

    time       a quarter note has twelve positions, as in REMI+: sixteenths and triplets of eighths
               and sixteenths fall on them, all else moves to the nearest. (MidiTok divides a
               metre's own beat instead; in metres of quarter notes that is the same.)
    durations  by twelfths of a quarter note up to 4 quarter notes, by fourths up to 12, by whole
               ones up to 32, which is the longest
    velocity   32 steps of 4
    tempo      30 to 240, in steps of 5
    metre      up to 8 quarter notes a bar, over 2, 4, 8 or 16; others are read as bars of 4/4. A
               change within a bar counts from the next bar line
    programs   all; beyond the fifteen with most notes, which is what MIDI has channels for, notes
               go to that of these whose number is nearest
    notes      one that begins while the same pitch of its program still sounds ends it; of two that
               begin together the longer stays

Tracks, names, keys, lyrics, pedals, bends and other controllers are left out.

    words   every word and its value     grammar  which may follow which
    reader  MIDI to words                writer   words to a performance
"""
