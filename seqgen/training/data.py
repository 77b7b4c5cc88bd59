"""A corpus as a network takes it: token ids, batches to learn from and rows to be judged by."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seqgen.config import ModelConfig, TrainingConfig
from seqgen.corpus.augmentation import Transpositions
from seqgen.corpus.documents import UNITS, Corpus
from seqgen.music.abc.transposable import Transposable
from seqgen.tokenization import Tokenizer
from seqgen.tokenization.encoded import encode
from seqgen.training.batches import Batches
from seqgen.training.validation import ValidationRows

__all__ = ["Data"]

RECURRENT_ROW = 1024  # tokens; a recurrent network reads on for ever, attention as far as trained
CONTEXT = 128  # tokens read before a cut part counts
MOST_KEPT = 1 << 24  # tokens of tunes in other keys (64 MB); beyond, they are made anew each epoch


class Data:
    """Both parts of a corpus, tokenized once.

    Args:
        training, validation: the parts.
        tokenizer: learnt from the first.

    Attributes:
        tokens: to learn from.
        tokens_per_unit: of the training part's original text.
    """

    def __init__(self, training: Corpus, validation: Corpus, tokenizer: Tokenizer) -> None:
        self._documents, self._tokenizer = training.documents, tokenizer
        self._training = encode(training, tokenizer)
        self._validation = [tokenizer.encode(d.text) for d in validation.documents]
        self._units, self._unit = validation.characters, UNITS[validation.kind]
        self._closed = validation.kind != "text"
        self.tokens = self._training.tokens
        # Each document's end is a token too.
        self.tokens_per_unit = (self.tokens + len(self._training)) / training.characters

    def batches(self, model: ModelConfig, config: TrainingConfig) -> Batches:
        """What to learn from; a recurrent network carries its state from one to the next."""
        return Batches(
            self._training,
            batch_size=config.batch_size * config.accumulate,
            seq_length=config.seq_length,
            seed=config.seed,
            carried=model.recurrent,
            variants=self._in_other_keys(config.seed) if config.augment else None,
        )

    @cached_property
    def _keys(self) -> Transpositions:
        return Transpositions(document.text for document in self._documents)

    def _in_other_keys(self, seed: int) -> Callable[[int], list[NDArray[np.int32]]]:
        """The training part as it reads in an epoch, every tune in a key drawn for it."""
        keys = self._keys
        moved: dict[tuple[int, int], NDArray[np.int32]] = {}
        kept = 0

        def move(tune: int, semitones: int) -> NDArray[np.int32]:
            nonlocal kept
            found = moved.get((tune, semitones))
            if found is not None:
                return found
            text = self._documents[tune].text
            if semitones:  # a note that can't be written there keeps the tune where it is
                text = Transposable(text).moved(semitones) or text
            ids = self._tokenizer.encode(text)
            if kept + len(ids) <= MOST_KEPT:
                kept += len(ids)
                moved[tune, semitones] = ids
            return ids

        def variants(epoch: int) -> list[NDArray[np.int32]]:
            return [move(*each) for each in enumerate(keys.draw(seed, epoch))]

        return variants

    def rows(self, model: ModelConfig) -> ValidationRows:
        """What to be judged by, in rows as long as the network can use."""
        length = RECURRENT_ROW if model.recurrent else model.context
        return ValidationRows(
            self._validation,
            units=self._units,
            unit=self._unit,
            length=length,
            context=min(CONTEXT, length // 2),
            closed=self._closed,
            vocabulary=model.vocabulary,
        )
