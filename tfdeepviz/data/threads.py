"""Work in threads, a few items ahead of whoever uses the results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(function: Callable[[T], R], items: Iterable[T], n_threads: int) -> Generator[R, None, None]:
    """Like `map`, in threads, with at most two results pending per thread, so that memory does not grow with the items.

    If the iterator is closed or an item fails, items that have not started are dropped. Close it when you stop early:
    Ctrl-C then waits for one item per thread only.
    """
    with ThreadPoolExecutor(n_threads) as pool:
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) >= 2 * n_threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
