"""optimum-benchmark at work, for `cell.py`, in an environment of its own: `prepare FOLDER` writes a model there, `run FOLDER` times it."""

import sys

SIZE, LAYERS, WIDTH, SECONDS = 40, 6, 128, 1


def prepare(folder: str) -> None:
    """A small vision transformer with random weights, about as large as the reference models."""
    from transformers import ViTConfig, ViTForImageClassification

    shape = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4}
    ViTForImageClassification(ViTConfig(image_size=SIZE, patch_size=8, num_channels=1, **shape)).save_pretrained(folder)


def run(folder: str) -> None:
    """Latency alone: no memory, no energy, one second of calls after three that warm up; in the process that its launcher starts."""
    from optimum_benchmark import Benchmark, BenchmarkConfig, InferenceConfig, ProcessConfig, PyTorchConfig

    inputs = {"batch_size": 1, "num_channels": 1, "height": SIZE, "width": SIZE}
    config = BenchmarkConfig(
        name="latency",
        launcher=ProcessConfig(device_isolation=False),
        backend=PyTorchConfig(model=folder, task="image-classification", library="transformers", model_type="vit", device="cpu"),
        scenario=InferenceConfig(
            latency=True, memory=False, energy=False, duration=SECONDS, iterations=1, warmup_runs=3, input_shapes=inputs
        ),
    )
    print(Benchmark.launch(config).forward.latency.p50)


if __name__ == "__main__":
    {"prepare": prepare, "run": run}[sys.argv[1]](sys.argv[2])
