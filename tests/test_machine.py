"""What a process runs on."""

import threading
import time

import pytest
import torch
from torch.nn import functional

from dgm_engine import machine

SLOW = 0.02
"""Seconds."""


@pytest.fixture(autouse=True)
def _forgetful():
    machine.gains_from_bfloat16.cache_clear()
    yield
    machine.gains_from_bfloat16.cache_clear()


@pytest.mark.parametrize(("slow", "gains"), [(torch.bfloat16, False), (torch.float32, True)])
def test_bfloat16_is_used_where_it_was_seen_to_be_faster_whatever_the_processor_says(slow, gains, monkeypatch):
    linear = functional.linear

    def timed(a, b):
        time.sleep(SLOW if a.dtype is slow else 0)
        return linear(a[:1], b[:1])

    monkeypatch.setattr(functional, "linear", timed)
    assert machine.gains_from_bfloat16("cpu") is gains


def test_no_gain_where_both_take_the_same_time(monkeypatch):
    monkeypatch.setattr(functional, "linear", lambda a, b: time.sleep(SLOW))
    assert not machine.gains_from_bfloat16("cpu")


def test_a_clock_of_work_stands_still_while_the_thread_waits_and_others_work():
    clock, done = machine.work_clock("cpu"), threading.Event()

    def burn() -> None:
        while not done.is_set():
            sum(range(1000))

    other = threading.Thread(target=burn)
    other.start()
    before = clock()
    time.sleep(0.4)
    waited = clock() - before
    done.set()
    other.join()
    assert waited < 0.1
    before, wall = clock(), time.monotonic()
    while clock() - before < 0.05:
        sum(range(1000))
        assert time.monotonic() - wall < 30
    assert time.monotonic() - wall >= 0.04


def test_what_a_graphics_card_does_no_thread_sees():
    clock = machine.work_clock("cuda")
    before = clock()
    time.sleep(0.1)
    assert clock() - before >= 0.09
