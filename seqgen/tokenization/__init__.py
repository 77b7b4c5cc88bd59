"""Text to token ids and back, without loss.

Every vocabulary begins with the boundary token (id 0), which stands before each document, and with
sixteen tokens for half bytes, in which anything the vocabulary lacks is spelled; its own pieces
follow. So any text at all encodes, and comes back byte for byte. MIDI is text here too: its events,
one word a line.
"""

from __future__ import annotations

from seqgen.tokenization.tokenizer import BOUNDARY, Scheme, StreamDecoder, Tokenizer

__all__ = ["BOUNDARY", "Scheme", "StreamDecoder", "Tokenizer"]
