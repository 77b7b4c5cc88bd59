"""seqgen learns to write music and text."""

__version__ = "0.1.0"
