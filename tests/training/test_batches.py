"""The order of the data is a function of seed and step, and misses nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.training.batches import CHAPTER_TOKENS, Batches

documents = st.lists(st.integers(1, 40), min_size=1, max_size=20).map(
    # Every token is different, so that its place is known.
    lambda lengths: np.split(np.arange(1, sum(lengths) + 1, dtype=np.int32), np.cumsum(lengths))[
        :-1
    ]
)


@given(
    documents, st.integers(1, 5), st.integers(2, 12), st.integers(0, 3), st.booleans(), st.data()
)
def test_each_target_follows_its_input(
    texts: list[np.ndarray], batch: int, time: int, seed: int, carried: bool, data: st.DataObject
) -> None:
    batches = Batches(texts, batch_size=batch, seq_length=time, seed=seed, carried=carried)
    step = data.draw(st.integers(0, 3 * batches.steps_per_epoch))
    got = batches[step]
    assert got.ids.shape == got.targets.shape == (batch, time)
    first = {int(text[0]) for text in texts}
    last = {int(text[-1]) for text in texts}
    for token, target in zip(got.ids.ravel(), got.targets.ravel(), strict=True):
        if token == 0:
            assert int(target) in first
        elif int(token) in last:
            assert target == 0
        else:
            assert target == token + 1
    # Inside a row each target is the next input.
    assert (got.targets[:, :-1] == got.ids[:, 1:]).all()


@pytest.mark.parametrize("carried", [True, False])
def test_an_epoch_misses_less_than_a_batch(carried: bool) -> None:
    texts = np.split(np.arange(1, 1001, dtype=np.int32), np.arange(37, 1000, 37))
    batches = Batches(texts, batch_size=4, seq_length=16, seed=1, carried=carried)
    for epoch in range(3):
        steps = range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch)
        seen = np.concatenate([batches[step].ids.ravel() for step in steps])
        tokens = seen[seen > 0]
        assert len(set(tokens.tolist())) == len(tokens)  # nothing twice
        assert len(seen) > batches.tokens - 4 * 16


def test_lanes_read_on_and_start_afresh_with_an_epoch() -> None:
    texts = [np.arange(1, 500, dtype=np.int32)]
    batches = Batches(texts, batch_size=3, seq_length=8, seed=0, carried=True)
    for step in range(2 * batches.steps_per_epoch):
        assert batches[step].fresh == (step % batches.steps_per_epoch == 0)
        if not batches[step].fresh:
            assert (batches[step - 1].targets[:, -1] == batches[step].ids[:, 0]).all()


def test_shuffled_windows_are_always_fresh_and_differ_between_epochs() -> None:
    texts = [np.arange(1, 500, dtype=np.int32)]
    batches = Batches(texts, batch_size=3, seq_length=8, seed=0, carried=False)
    epochs = [
        [batches[e * batches.steps_per_epoch + i].ids.tolist() for i in range(5)] for e in range(2)
    ]
    assert epochs[0] != epochs[1]
    assert batches[0].fresh
    assert batches[1].fresh


def test_the_same_seed_and_step_is_the_same_batch_in_any_order() -> None:
    texts = np.split(np.arange(1, 2001, dtype=np.int32), np.arange(100, 2000, 100))

    def make(seed: int) -> Batches:
        return Batches(texts, batch_size=4, seq_length=16, seed=seed, carried=False)

    forward = [make(5)[step].ids for step in range(100)]
    once = make(5)
    for step in np.random.default_rng(0).permutation(100):
        assert (once[int(step)].ids == forward[step]).all()
    assert any((make(6)[step].ids != forward[step]).any() for step in range(5))


def test_a_long_text_has_chapters_but_ends_once() -> None:
    size = 5 * CHAPTER_TOKENS
    texts = [np.arange(1, size + 1, dtype=np.int32), np.arange(size + 1, size + 51, dtype=np.int32)]
    batches = Batches(texts, batch_size=2, seq_length=64, seed=0, carried=True)
    starts = set()
    for epoch in range(2):
        ids, targets = [], []
        for step in range(batches.steps_per_epoch):
            batch = batches[epoch * batches.steps_per_epoch + step]
            ids.append(batch.ids.ravel())
            targets.append(batch.targets.ravel())
        after_boundary = np.concatenate(targets)[np.concatenate(ids) == 0]
        assert 4 <= len(after_boundary) <= 8
        starts.add(tuple(sorted(after_boundary.tolist())))
        # The true ends are the only ends.
        ended = np.concatenate(ids)[np.concatenate(targets) == 0]
        assert set(ended.tolist()) <= {size, size + 50}
        # A chapter's last token is followed by the text's next.
        follows = (np.concatenate(targets) == np.concatenate(ids) + 1)[np.concatenate(ids) > 0]
        assert (~follows).sum() <= 2
    assert len(starts) == 2  # cut elsewhere


def test_a_corpus_smaller_than_a_batch_still_trains() -> None:
    batches = Batches(
        [np.array([1, 2], np.int32)], batch_size=8, seq_length=64, seed=0, carried=True
    )
    assert batches.steps_per_epoch == 1
    assert set(batches[7].ids.ravel().tolist()) == {0, 1, 2}
