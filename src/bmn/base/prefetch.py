"""A thread that has the next items ready before they are asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")


def prefetch(load: Callable[[Item], Loaded], items: Iterable[Item], ahead: int) -> Iterator[Loaded]:
    """``map(load, items)`` with up to ``ahead`` results computed in a thread before they are asked for.

    An exception of ``load`` is raised in its place. Closing the iterator ends the thread.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as pool:
        ready: deque[Future[Loaded]] = deque()
        try:
            for item in items:
                ready.append(pool.submit(load, item))
                if len(ready) > ahead:
                    yield ready.popleft().result()
            while ready:
                yield ready.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
