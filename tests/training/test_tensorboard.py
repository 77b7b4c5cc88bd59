"""Event files: what TensorBoard would read of a run, and of one that was killed and went on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from seqgen.errors import OutputError
from seqgen.training.metrics import metrics_path
from tests.training.test_run import finish, interrupt, plan, resume

pytestmark = pytest.mark.usefixtures("tensorflow")


def read(folder: Path) -> list[Any]:
    """All events in the order of writing."""
    import tensorflow as tf

    events = [
        tf.compat.v1.Event.FromString(record.numpy())
        for file in folder.iterdir()
        for record in tf.data.TFRecordDataset(str(file))
    ]
    return sorted(events, key=lambda event: event.wall_time)


def shown(folder: Path) -> dict[str, dict[int, float]]:
    """Each tag's points, as TensorBoard keeps them: a start purges its step and later ones."""
    import tensorflow as tf

    points: dict[str, dict[int, float]] = {}
    for event in read(folder):
        if event.session_log.status == tf.compat.v1.SessionLog.START:
            for tag, before in points.items():
                points[tag] = {s: v for s, v in before.items() if s < event.step}
        for value in event.summary.value:
            assert event.step not in points.setdefault(value.tag, {})
            points[value.tag][event.step] = value.simple_value
    return points


def metrics(model: Path) -> dict[str, dict[int, float]]:
    from seqgen.training.tensorboard import TAGS

    lines = [json.loads(line) for line in metrics_path(model).read_text().splitlines()]
    return {
        tag: {line["step"]: line[name] for line in lines if name in line}
        for name, tag in TAGS.items()
        if "event" not in name  # the corpus is of tunes
    }


def assert_same(got: dict[str, dict[int, float]], expected: dict[str, dict[int, float]]) -> None:
    assert set(got) == set(expected)
    for tag, points in expected.items():
        assert got[tag] == pytest.approx(points), tag


def test_they_hold_what_the_metrics_hold(tmp_path: Path) -> None:
    run = plan(tmp_path / "model.safetensors")
    run.log_dir = tmp_path / "logs" / "first"
    finish(run)
    got = shown(run.log_dir)
    assert list(got["training/loss_nats"]) == list(range(1, 13))
    assert got["validation/bits_per_char"]
    assert_same(got, metrics(run.output))


def test_a_resumed_run_goes_on_in_the_same_place(tmp_path: Path) -> None:
    from seqgen.training.tensorboard import EventFiles

    path, logs = tmp_path / "model.safetensors", tmp_path / "logs"
    run = plan(path)
    run.log_dir = logs
    interrupt(run, at=5)
    lost = EventFiles(logs, first_step=6)  # updates after the last save, then killed
    lost.write({"step": 6, "loss_nats": 9.0})
    lost.close()
    again = resume(path)
    assert again.log_dir == logs
    finish(again)
    assert len(list(logs.iterdir())) == 3
    assert_same(shown(logs), metrics(path))

    anew = plan(path)
    anew.log_dir = logs
    finish(anew)
    assert_same(shown(logs), metrics(path))


def test_what_was_written_is_there_when_the_run_is_killed(tmp_path: Path) -> None:
    from seqgen.training.tensorboard import EventFiles

    files = EventFiles(tmp_path, first_step=0)
    for step in (1, 2):
        files.write({"step": step, "loss_nats": 4.0 / step})
        assert shown(tmp_path)["training/loss_nats"][step] == 4.0 / step
    files.close()


def test_a_run_without_a_log_dir_writes_none(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    interrupt(plan(path), at=2)
    assert resume(path).log_dir is None
    assert {file.name for file in tmp_path.iterdir()} == {path.name, "model.metrics.jsonl"}


def test_numbers_that_are_none_are_written_all_the_same(tmp_path: Path) -> None:
    from seqgen.training.tensorboard import EventFiles

    files = EventFiles(tmp_path, first_step=0)
    files.write({"step": 1, "loss_nats": math.nan, "gradient_norm": math.inf, "seconds": 1.0})
    files.close()
    files.close()
    assert files.problem is None
    got = shown(tmp_path)
    assert set(got) == {"training/loss_nats", "training/gradient_norm"}
    assert math.isnan(got["training/loss_nats"][1])
    assert got["training/gradient_norm"][1] == math.inf


def test_a_full_disk_stops_the_event_files_but_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from seqgen.training.events import Ended, Noted
    from seqgen.training.tensorboard import EventFiles

    def fail(*_: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "no space left on device")

    run = plan(tmp_path / "model.safetensors")
    run.log_dir = tmp_path / "logs"
    events = []
    for event in run.events(stop=lambda: False):
        events.append(event)
        for record in run.records:
            if isinstance(record, EventFiles):
                monkeypatch.setattr(record._writer, "add_summary", fail)
    noted = [event.message for event in events if isinstance(event, Noted)]
    assert len(noted) == 1
    assert "no space left on device" in noted[0]
    assert isinstance(events[-1], Ended)
    assert events[-1].step == 12


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = plan(tmp_path / "model.safetensors")
    run.log_dir = tmp_path / "file"
    with pytest.raises(OutputError, match="can't make this folder"):
        finish(run)
