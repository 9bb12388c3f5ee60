"""Processes that share the work of a build: forked, so that they have what was read already, or none at all for little work."""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from suite.errors import SiteError

Mapped = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Maps a function over work, results in order."""

FEW = 200
"""No processes are started for fewer records."""


def hands(records: int) -> int:
    """How many processes so many records are worth: one for each core that we may use, as a fork is to be had."""
    if records < FEW or "fork" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def crew(processes: int) -> Iterator[Mapped]:
    """A map over so many processes, results in order; the built-in one for a single process. Raises SiteError if one of them is killed.

    Forked, they have what the caller has at this moment: what is large must be made before, and only names need to be sent.
    """
    if processes < 2:
        yield map
        return
    gc.collect()
    gc.freeze()  # what was read already stays, and need not be looked through again by every process
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(os.getpid(),))
    try:
        yield pool.map
    except BrokenProcessPool as error:
        raise SiteError("A process that builds the site was killed, perhaps for want of memory; run the same command again.") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        gc.unfreeze()


def _begin(parent: int) -> None:
    """Ctrl-C is for the caller to handle; a process whose caller was killed has nobody to work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(50_000, 20, 20)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
