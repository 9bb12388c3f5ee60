"""What a record says of the machine that it was measured on."""

from collections.abc import Collection, Iterable

from suite.errors import UnknownName
from suite.figures import Immutable

KERNEL_FLAGS = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16",
    "asimddp", "asimdhp", "i8mm", "bf16", "sve",
)  # fmt: skip
"""Flags that decide which kernels a runtime takes, and so its answers and its times."""

_NAMED = (
    ("amx_int8", "AMX"), ("avx512_vnni", "AVX-512 VNNI"), ("avx512f", "AVX-512"), ("avx_vnni", "AVX-VNNI"), ("avx2", "AVX2"),
    ("i8mm", "I8MM"), ("asimddp", "dot product"),
)  # fmt: skip
"""What the widest 8-bit kernels are called, the first that is there."""


def host_of(cpu: str, flags: Collection[str], cores: int, system: str, machine: str) -> str:
    """What two records must share for their absolute times to be comparable, as a reader is shown it.

    Virtual machines of one processor's name differ in what they show of it: that is why the widest kernels stand beside the name.
    """
    kernels = next((f" with {name}" for flag, name in _NAMED if flag in flags), "")
    return f"{cpu}{kernels}, {cores} cores, {system} {machine}"


EMULATED = "QEMU"
"""The host of what an emulated processor answered: every machine that emulates it gives the same answers, and nothing is timed there."""


def answering(host: str, libraries: Iterable[str]) -> str:
    """Where the answers of a record come from: the machine, or EMULATED if QEMU is among the libraries of the target's environment."""
    return EMULATED if any(name.endswith("-emulated qemu") for name in libraries) else host


def named(part: str, hosts: Iterable[str]) -> frozenset[str]:
    """Those of the hosts whose names hold that part, in whatever case. Raises UnknownName."""
    known = frozenset(hosts)
    found = frozenset(host for host in known if part.casefold() in host.casefold())
    if not found:
        raise UnknownName("machine that measured", part, known)
    return found


class Environment(Immutable, frozen=True):
    """The machine and the libraries. None is a fact that this platform does not give.

    level: of the microarchitecture, as x86-64-v4 or armv8.2-a. caches: bytes of L1d, L2 and L3. cpu_quota: cores' worth of time that the
    container may use; it and the memory limit are None without a container that has one. These and what follows are there since schema 5.
    """

    system: str
    kernel: str
    machine: str
    cpu: str
    cpu_flags: tuple[str, ...]
    cores: int
    memory_bytes: int
    governor: str | None
    hypervisor: bool | None
    load_before: float | None
    load_after: float | None
    python: str
    libraries: dict[str, str]
    level: str | None = None
    caches: dict[str, int] | None = None
    cpu_quota: float | None = None
    memory_limit_bytes: int | None = None
    turbo: bool | None = None
    smt: bool | None = None

    @property
    def host(self) -> str:
        """`host_of` this machine."""
        return host_of(self.cpu, self.cpu_flags, self.cores, self.system, self.machine)

    @property
    def answering(self) -> str:
        """`answering` of this machine."""
        return answering(self.host, self.libraries)

    def other_kernels(self, other: "Environment") -> tuple[str, object, object] | None:
        """The first thing that makes two machines of one name run other kernels, and what it is in each; None if nothing is known to.

        Virtual machines often hide what their processor is, so that its name does not tell. What is not known of either decides nothing.
        Of an emulated processor the machine's own does not.
        """
        if self.answering == other.answering == EMULATED:
            return None
        if self.level and other.level and self.level != other.level:
            return "microarchitecture level", self.level, other.level
        if self.cpu_flags and other.cpu_flags:
            for flag in KERNEL_FLAGS:
                mine, theirs = ("there" if flag in side.cpu_flags else "not there" for side in (self, other))
                if mine != theirs:
                    return f"instruction set {flag}", mine, theirs
        return None
