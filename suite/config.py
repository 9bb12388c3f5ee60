"""What to run: a TOML file, then the command line on top, into one frozen object. Unknown keys fail, with a suggestion."""

import difflib
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from suite.errors import ConfigError

SCENARIOS = ("batch_8", "all_cores", "batch_8_all_cores", "server", "none")
"""Those of `suite.scenarios`, written here so that reading a config needs no numpy, and none of them."""


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a method of the division `training` may use in one cell: steps, labelled items, and wall seconds."""

    steps: int = 2000
    items: int = 200_000
    seconds: float = 900.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0 and finite: without a budget nothing can be trained")


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one process of a cell may use: wall seconds, GiB of address space and of any one file that it writes."""

    compress_s: float = 300.0
    evaluate_s: float = 300.0
    launch_s: float = 120.0
    memory_gib: float = 12.0
    file_gib: float = 16.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0 and finite")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run. Empty tuples mean everything that is registered; a method may be narrowed to `method/variant`.

    method_paths: folders that hold methods, or that are one. model_files, recipe_files: models and recipes in one file each, as `--model`
    and `--recipe` give them. one_component: compress one component at a time, and do not time it. host, host_python, ssh_options: another
    machine that measures, as ssh knows it, the Python there, and more options of ssh. scenarios: what is measured beside one request after
    another on one thread; "none" for nothing.
    """

    models: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    tier: Literal["quick", "full"] = "quick"
    test_seed: int = 0
    results: str = "results"
    work: str = ".squeezemark"
    plugins: tuple[str, ...] = ()
    method_paths: tuple[str, ...] = ()
    model_files: tuple[str, ...] = ()
    recipe_files: tuple[str, ...] = ()
    host: str = ""
    host_python: str = ""
    ssh_options: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    one_component: bool = False
    retry_failed: bool = False
    limits: Limits = Limits()
    budget: Budget = Budget()

    def __post_init__(self) -> None:
        if self.test_seed < 0:
            raise ValueError("test_seed must be 0 or more")
        for name in ("results", "work"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} names no folder")
        for name in self.scenarios:
            if name not in SCENARIOS:
                near = "".join(f"; did you mean {found!r}?" for found in difflib.get_close_matches(name, SCENARIOS, 1))
                raise ValueError(f"there is no scenario {name!r}{near}; there are {', '.join(SCENARIOS)}")
        if "none" in self.scenarios and len(self.scenarios) > 1:
            raise ValueError("the scenario 'none' stands for itself alone")


def load(path: Path | None, changes: Mapping[str, Any]) -> Config:
    """The config of a TOML file (None: the defaults) with `changes` on top. Raises ConfigError."""
    found: dict[str, Any] = {} if path is None else _read(path)
    source = "the command line" if path is None else str(path)
    _check_keys(found, Config, source)
    for name, kind in (("limits", Limits), ("budget", Budget)):
        _check_keys(found.get(name, {}), kind, f"{source}, [{name}]")
    try:
        return msgspec.convert(found | dict(changes), Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"A value in {source} cannot be used: {error}.") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The config file {path} cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The config file {path} is not TOML: {error}.") from error


def _check_keys(found: object, kind: type[msgspec.Struct], source: str) -> None:
    if not isinstance(found, dict):
        return
    for key in found:
        if key not in kind.__struct_fields__:
            near = difflib.get_close_matches(key, kind.__struct_fields__, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"Unknown key {key!r} in {source}.{hint} Known: {', '.join(kind.__struct_fields__)}.")
