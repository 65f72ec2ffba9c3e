"""Signals that are remembered, and those that are left alone."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cli.interruption import SIGNALS, Interruption


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_is_remembered_with_its_exit_status(number, status):
    with Interruption() as interruption:
        assert not interruption.happened
        assert interruption.status == 0
        signal.raise_signal(number)
        assert interruption.happened
        assert (interruption.signal, interruption.status) == (number, status)


def test_the_first_one_is_told():
    numbers = []
    former = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with Interruption(numbers.append):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, former)
    assert numbers == [signal.SIGTERM]


def test_outside_the_main_thread_signals_are_left_alone():
    def handlers():
        with Interruption() as interruption:
            assert not interruption.happened
            return [signal.getsignal(number) for number in SIGNALS]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(handlers).result() == [signal.getsignal(number) for number in SIGNALS]


def test_the_second_one_acts_as_it_did_before():
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert interruption.signal == signal.SIGINT


def test_the_handlers_are_put_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interruption():
        assert all(signal.getsignal(number) not in before for number in SIGNALS)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_what_was_ignored_stays_ignored():
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGINT)
            assert not interruption.happened
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)


def test_waiting_takes_its_time_and_ends_at_a_signal():
    with Interruption() as interruption:
        start = time.monotonic()
        interruption.wait(0.2)
        assert 0.2 <= time.monotonic() - start < 2.0
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        former = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
        try:
            start = time.monotonic()
            interruption.wait(60.0)
            assert time.monotonic() - start < 20.0
        finally:
            signal.signal(signal.SIGALRM, former)
    assert interruption.status == 143


def test_after_a_signal_there_is_no_waiting():
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGTERM)
        start = time.monotonic()
        interruption.wait(60.0)
        assert time.monotonic() - start < 20.0
