"""Instructions that this process executes, by the processor's own counter: perf_event_open(2). For the worker; Linux alone.

A virtual machine often has no such counter, and a system may keep it for root (kernel.perf_event_paranoid above 2): then there is a reason.
"""

import ctypes
import os
import platform
import struct
import sys
from types import TracebackType

from suite.facts import Unreadable

CALLS = {"x86_64": 298, "aarch64": 241}
"""The number of the system call."""
Event = tuple[int, int]
INSTRUCTIONS: Event = (0, 1)
"""PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS: those that retire."""
CPU_CLOCK: Event = (1, 0)
"""PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, nanoseconds: there on every machine, so that what reads counters can be tried."""
SIZE, FLAGS = 128, 40
"""Bytes of the structure perf_event_attr, and where its flags are."""
INHERIT, EXCLUDE_KERNEL, EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6


class Counter:
    """An event in user mode, of this process and of every thread that it starts from now on; a context that closes it."""

    def __init__(self, event: Event = INSTRUCTIONS) -> None:
        """Raises Unreadable."""
        number = CALLS.get(platform.machine()) if sys.platform == "linux" else None
        if number is None:
            raise Unreadable("this platform has no counters that a process may read")
        attributes = (ctypes.c_char * SIZE)()
        struct.pack_into("IIQ", attributes, 0, event[0], SIZE, event[1])
        struct.pack_into("Q", attributes, FLAGS, INHERIT | EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR)
        library = ctypes.CDLL(None, use_errno=True)
        self._file = library.syscall(number, ctypes.byref(attributes), 0, -1, -1, 0)
        if self._file < 0:
            raise Unreadable(_reason(ctypes.get_errno()))

    def read(self) -> int:
        """How many so far."""
        return int.from_bytes(os.read(self._file, 8), sys.byteorder)

    def __enter__(self) -> "Counter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._file)


def _reason(code: int) -> str:
    if code in (1, 13):  # EPERM, EACCES
        return "this system keeps the processor's counters for root: sysctl kernel.perf_event_paranoid=2 lets everyone read their own"
    return f"this machine gives no access to the processor's counter of instructions ({os.strerror(code)})"
