from __future__ import annotations

import threading
from contextlib import closing

import pytest

from tfdeepviz.data.threads import map_ahead


def test_results_keep_their_order_and_few_are_pending() -> None:
    drawn: list[int] = []
    items = (drawn.append(i) or i for i in range(50))  # type: ignore[func-returns-value]  # None, so that `or` gives i
    with closing(map_ahead(lambda i: i * i, items, 2)) as results:
        for i, result in enumerate(results):
            assert result == i * i
            assert len(drawn) <= i + 4
    assert len(drawn) == 50


def test_items_that_have_not_started_are_dropped() -> None:
    started: list[int] = []
    gate = threading.Event()

    def work(i: int) -> int:
        started.append(i)
        if i:
            gate.wait(10)
        return i

    with closing(map_ahead(work, range(50), 1)) as results:
        assert next(results) == 0
        gate.set()
    assert len(started) <= 2


def test_errors_reach_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_ahead(lambda i: 1 // i, [1, 0, 1], 2))
