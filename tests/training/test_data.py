"""A corpus as a network takes it: tunes in other keys only where asked for, and never held out."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from seqgen.config import Architecture
from seqgen.corpus.documents import Corpus, Document
from seqgen.corpus.stripping import Strip, strip_corpus
from seqgen.tokenization import BOUNDARY, Scheme, Tokenizer
from seqgen.training import data as data_module
from seqgen.training.batches import Batches
from seqgen.training.data import Data
from seqgen.training.plan import AUGMENT_EPOCHS, Wishes, plan_model, plan_training
from tests.support import ARCHITECTURES, make_config, make_weights

KEYS = ["C", "D", "F", "G"]


def make_corpus(tunes: int, first: int = 0) -> Corpus:
    texts = [
        f"X:{i}\nT:Tune {i}\nK:{KEYS[i % 4]}\n{'CDEF'[i % 4]}2 GA c{i % 7}|]\n"
        for i in range(first, first + tunes)
    ]
    documents = tuple(Document(text, "made", len(text) + 1) for text in texts)
    return Corpus("made", "abc", documents)


TRAINING, VALIDATION = make_corpus(24), make_corpus(4, first=24)


def make_batches(data: Data, arch: str = "transformer", **wishes: object) -> Batches:
    given = {"arch": arch, "hidden": 16, "batch_size": 2, "seq_length": 16, **wishes}
    chosen = Wishes(**given)  # type: ignore[arg-type]
    model = plan_model(chosen, vocabulary=200, tokens=data.tokens)
    config = plan_training(
        chosen, kind="abc", tokens=data.tokens, precision="float32", steps=40, evaluations=1
    )
    return data.batches(model, config)


def read(batches: Batches, epoch: int) -> np.ndarray:
    steps = range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch)
    return np.stack([batches[step].ids for step in steps])


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("scheme", ["char", "abc", "bpe"])
@pytest.mark.parametrize("what", [None, "numbers"])
def test_each_tune_is_read_in_several_keys_of_the_corpus(
    arch: str, scheme: Scheme, what: Strip | None
) -> None:
    training = strip_corpus(TRAINING, what) if what else TRAINING
    tokenizer = Tokenizer.learn(scheme, (document.text for document in training.documents))
    batches = make_batches(Data(training, VALIDATION, tokenizer), arch, augment=True, seq_length=64)
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for epoch in range(8):
        for row in read(batches, epoch).reshape(-1, 64):
            for tune, key in re.findall(r"Tune (\d+)\nK:(\S+)\n", tokenizer.decode(row)):
                keys[tune].add(key)
    assert len(keys) == len(TRAINING.documents)
    assert set().union(*keys.values()) == set(KEYS)
    assert sum(len(each) > 1 for each in keys.values()) > len(keys) / 2


def test_without_it_the_text_is_the_original() -> None:
    tokenizer = Tokenizer.learn("abc", (document.text for document in TRAINING.documents))
    data = Data(TRAINING, VALIDATION, tokenizer)
    texts = {tuple(tokenizer.encode(document.text)) for document in TRAINING.documents}
    found: dict[bool, set[tuple[int, ...]]] = {}
    for augment in (False, True):
        batches = make_batches(data, "lstm", augment=augment, seq_length=8)
        ids = np.concatenate([read(batches, epoch).swapaxes(0, 1).ravel() for epoch in range(3)])
        parts = np.split(ids, np.flatnonzero(ids == 0))
        found[augment] = {tuple(part[1:]) for part in parts[1:-1]}
    assert len(found[False] - texts) <= 6  # cut where an epoch ends
    assert len(found[True] - texts) > 10


def test_the_same_seed_and_step_is_the_same_batch_in_any_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokenizer = Tokenizer.learn("abc", (document.text for document in TRAINING.documents))
    forward = make_batches(Data(TRAINING, VALIDATION, tokenizer), augment=True)
    steps = 4 * forward.steps_per_epoch
    expected = [forward[step] for step in range(steps)]
    monkeypatch.setattr(data_module, "MOST_KEPT", 100)  # most are made anew each time
    other = make_batches(Data(TRAINING, VALIDATION, tokenizer), augment=True)
    for step in np.random.default_rng(0).permutation(steps).tolist():
        assert (other[step].ids == expected[step].ids).all()
        assert (other[step].targets == expected[step].targets).all()


def test_held_out_tunes_stay_in_their_keys() -> None:
    tokenizer = Tokenizer.learn("abc", (document.text for document in TRAINING.documents))
    data = Data(TRAINING, VALIDATION, tokenizer)
    wishes = Wishes(hidden=16, seq_length=64, augment=True)
    model = plan_model(wishes, vocabulary=tokenizer.size, tokens=data.tokens)
    make_batches(data, augment=True)[9]
    rows = data.rows(model)
    for document in VALIDATION.documents:
        text = tokenizer.encode(document.text)
        assert any(
            np.array_equal(row[at : at + len(text)], text)
            for row in rows.targets
            for at in range(len(row) - len(text) + 1)
        )


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_tune_among_others_is_learnt_as_if_alone(arch: Architecture) -> None:
    """Tunes stand end to end in a window: none sees another, and each learns its own end."""
    from seqgen.models import networks

    tokenizer = Tokenizer.learn("abc", (document.text for document in TRAINING.documents))
    data = Data(TRAINING, VALIDATION, tokenizer)
    config = make_config(arch, tokenizer.size, context=128)
    network = networks.build(config)
    network.import_weights(make_weights(config))
    batch = make_batches(data, arch, batch_size=1, seq_length=128)[0]
    ids, targets = batch.ids[0], batch.targets[0]
    logits = network(batch.ids)[0].numpy()[0]  # (time, vocabulary)
    begins = np.flatnonzero(ids == BOUNDARY)
    assert len(begins) >= 3
    for begin, end in pairwise(begins.tolist()):
        alone = network(ids[None, begin:end])[0].numpy()[0]
        assert np.abs(logits[begin:end] - alone).max() < 1e-4
        assert targets[end - 1] == BOUNDARY


def test_it_is_on_where_the_same_tunes_come_by_often() -> None:
    def augment(kind: str, epochs: float, wish: bool | None = None) -> bool:
        wishes = Wishes(augment=wish, batch_size=4, seq_length=25, accumulate=2)
        config = plan_training(
            wishes,
            kind=kind,  # type: ignore[arg-type]
            tokens=2000,
            precision="float32",
            steps=int(epochs * 2000 / 200),
            evaluations=1,
        )
        return config.augment

    assert augment("abc", AUGMENT_EPOCHS + 1)
    assert not augment("abc", AUGMENT_EPOCHS - 1)
    assert augment("abc", 1, True)
    assert not augment("abc", 100, False)
    assert not augment("text", 100)
