"""What a plug-in declares, and what the suite hands it. Standard library only: the worker on a small board imports it.

A **model** is a folder `suite/models/<name>/`:

- `__init__.py` holds `CARD`, a `ModelCard`;
- `network.py` has `load(folder: Path) -> dict[str, torch.nn.Module | onnx.ModelProto]`, a module in eval mode (or a ready graph) per
  component; `folder` holds the weights. A module's forward takes the component's inputs and returns its outputs, in the card's order;
- `task.py` (numpy only) is the glue, the functions of `Task`;
- `data.py` makes the splits, the functions of `Data`;
- `train.py` has `train(out: Path, advance: Advance) -> dict[str, float]`, which writes `weights.safetensors` into the folder `out`
  from scratch and returns what it reached, and the functions of `Training`, with which methods train it further;

or one file `<name>.py` with all of these functions and `CARD` (see docs/models.md), whose card lists the `files` beside it.

A **method** is a folder `methods/<name>/`: `__init__.py` holds `CARD`, a `MethodCard`, and may define
`supports(model, target, variant) -> Skip | None`; `apply.py` has `apply(parts, parameters, context) -> parts`, where `parts`
maps component names to torch modules (stage `module`), ONNX models (stage `graph`), or what makes the files of one runtime (stage
`runtime`): torch modules for torch.export, the bytes of files for LiteRT.

A **target** is a folder `targets/<name>/`: `__init__.py` holds `CARD`, a `TargetCard`, and `probe() -> Skip | None`;
`runner.py` has `Runner`.
"""

from typing import TYPE_CHECKING

from suite.contracts.common import BASELINE, Advance, Division, Family, Modality, NotApplicable, Skip, Stage, Value
from suite.contracts.method import Claims, Context, MethodCard, Parameter, Step, Tutor, Variant
from suite.contracts.model import Component, Data, ModelCard, Picture, Sound, Split, Task, Tensor, Text, Training
from suite.contracts.target import Runner, TargetCard

if TYPE_CHECKING:
    from suite.contracts.common import Array, Arrays, Run

__all__ = [
    "BASELINE",
    "Advance",
    "Array",
    "Arrays",
    "Claims",
    "Component",
    "Context",
    "Data",
    "Division",
    "Family",
    "MethodCard",
    "Modality",
    "ModelCard",
    "NotApplicable",
    "Parameter",
    "Picture",
    "Run",
    "Runner",
    "Skip",
    "Sound",
    "Split",
    "Stage",
    "Step",
    "TargetCard",
    "Task",
    "Tensor",
    "Text",
    "Training",
    "Tutor",
    "Value",
    "Variant",
]
