"""ONNX Runtime on an x86-64 processor without VNNI, emulated: int8 products go through the pairs of multiplications that can saturate."""

import platform

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="x86_avx2_emulated",
    title="x86-64 CPU without VNNI (emulated), ONNX Runtime",
    summary="ONNX Runtime's kernels for a Haswell, which has AVX2 and neither AVX-512 nor VNNI: what int8 answers on older machines.",
    device="x86 CPU",
    runtime="onnxruntime",
    formats=("onnx",),
    instruction_sets=("avx2", "fma"),
    settings={"threads": 1, "graph_optimization": "all", "batch_size": 1, "cpu": "Haswell"},
    runner="x86_cpu_ort",
    environment="x86-emulated",
    ranks_latency=False,
    items=300,
    patience=10.0,
)


def probe() -> Skip | None:
    """Why it does not run here, or None: this machine's own Python is what is emulated."""
    machine = platform.machine().lower()
    return None if machine in ("x86_64", "amd64") else Skip(f"this machine is {machine}, not x86-64")
