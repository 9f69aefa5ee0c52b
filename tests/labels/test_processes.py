"""Several processes on one label store, and one of them killed while it writes."""

import multiprocessing
import time

import pytest

from dgm_engine.labels.store import LabelStore

BATCHES = 40
BIG_BATCH = 20_000
spawn = multiprocessing.get_context("spawn")


def write_many(path, me):
    store = LabelStore(path)
    for n in range(BATCHES):
        store.label(["shared", *(f"{me}/{n}/{item}" for item in range(n))], f"class {n}", annotator=me)
        if n % 10 == 9:
            store.undo(annotator=me)


def write_for_ever(path, committed):
    store = LabelStore(path)
    while True:
        committed.send(store.label([f"item {n}" for n in range(BIG_BATCH)], "shoe", annotator="killed"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "labels.db"


def test_two_processes_lose_nothing(path):
    writers = [spawn.Process(target=write_many, args=(path, name)) for name in ("ann", "bob")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]

    store = LabelStore(path)
    history = store.history()
    assert [event.id for event in history] == list(range(1, len(history) + 1))
    assert [event.version for event in history if event.item == "shared"] == list(range(1, 2 * BATCHES + 1))
    for me in ("ann", "bob"):
        expected = ["shared", *(f"{me}/{n}/{item}" for n in range(BATCHES) for item in range(n))]
        written = [event.item for event in history if event.annotator == me and event.item]
        assert sorted(set(written)) == sorted(expected)
        assert len(written) == len(expected) - 1 + BATCHES
    assert sum(event.target is not None for event in history) == 2 * BATCHES // 10
    assert store.state() == store.state_at(history[-1].id)
    store.close()


def test_a_killed_writer_leaves_whole_batches_only(path):
    receiver, sender = spawn.Pipe(duplex=False)
    writer = spawn.Process(target=write_for_ever, args=(path, sender))
    writer.start()
    sender.close()
    committed = [receiver.recv(), receiver.recv()]
    journal = path.with_name(f"{path.name}-journal")
    deadline = time.monotonic() + 30
    while not journal.exists() or journal.stat().st_size == 0:  # until it is in the middle of its next batch
        assert time.monotonic() < deadline
    writer.kill()
    writer.join(30)
    while receiver.poll():
        try:
            committed.append(receiver.recv())
        except EOFError:
            break
    receiver.close()

    store = LabelStore(path)
    assert store.label(["after"], "shirt", annotator="ann") == store.version()
    *whole, last = store.history()
    assert last.item == "after"
    batches = sorted({event.batch for event in whole})
    assert set(committed) <= set(batches)
    assert [event.id for event in whole] == list(range(1, len(batches) * BIG_BATCH + 1))
    assert len(store.state().positive) == BIG_BATCH + 1
    store.close()
