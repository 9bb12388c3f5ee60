"""A config is a TOML file with the command line on top; whatever cannot be used is a ConfigError that says what and where."""

import msgspec
import pytest

from suite.config import SCENARIOS, Budget, Config, Limits, load
from suite.errors import ConfigError, UsageError
from suite.scenarios import NAMES


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "run.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


FULL = """
models = ["glyph_clip"]
methods = ["dynamic_int8/per_channel", "int4_rtn"]
targets = ["x86_cpu_ort"]
tier = "full"
test_seed = 7
results = "there"
work = "elsewhere"
plugins = ["mine"]
method_paths = ["methods_of_mine"]
model_files = ["my_model.py"]
recipe_files = ["my_recipe.toml"]
host = "pi@board"
host_python = "/opt/python3"
ssh_options = ["-p2222"]
scenarios = ["all_cores"]
one_component = true
retry_failed = true

[limits]
compress_s = 30
memory_gib = 0.5

[budget]
steps = 10
"""


def test_without_anything_it_is_the_defaults():
    assert load(None, {}) == Config()
    assert Config().tier == "quick"
    assert Config().models == Config().methods == Config().targets == ()


def test_an_empty_file_is_the_defaults(write):
    assert load(write(""), {}) == Config()


def test_every_key_can_be_set(write):
    found = load(write(FULL), {})
    assert found == Config(
        models=("glyph_clip",),
        methods=("dynamic_int8/per_channel", "int4_rtn"),
        targets=("x86_cpu_ort",),
        tier="full",
        test_seed=7,
        results="there",
        work="elsewhere",
        plugins=("mine",),
        method_paths=("methods_of_mine",),
        model_files=("my_model.py",),
        recipe_files=("my_recipe.toml",),
        host="pi@board",
        host_python="/opt/python3",
        ssh_options=("-p2222",),
        scenarios=("all_cores",),
        one_component=True,
        retry_failed=True,
        limits=Limits(compress_s=30.0, memory_gib=0.5),
        budget=Budget(steps=10),
    )
    assert {name for name in Config.__struct_fields__ if getattr(found, name) == getattr(Config(), name)} == set()
    assert found.limits.launch_s == Limits().launch_s


def test_the_command_line_wins_over_the_file(write):
    found = load(write(FULL), {"tier": "quick", "models": ("scene_vqa", "glyph_clip"), "test_seed": 0, "retry_failed": False})
    assert (found.tier, found.models, found.test_seed, found.retry_failed) == ("quick", ("scene_vqa", "glyph_clip"), 0, False)
    assert (found.results, found.methods, found.limits.compress_s) == ("there", ("dynamic_int8/per_channel", "int4_rtn"), 30.0)


def test_the_command_line_alone_will_do():
    assert load(None, {"results": "here"}).results == "here"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('method = ["x"]', "Unknown key 'method' in {path}. Did you mean 'methods'? Known: models, methods,"),
        ("testseed = 1", "Unknown key 'testseed' in {path}. Did you mean 'test_seed'?"),
        ("quux = 1", "Unknown key 'quux' in {path}. Known: models,"),
        ("[limit]\ncompress_s = 1", "Unknown key 'limit' in {path}. Did you mean 'limits'?"),
        (
            "[limits]\ncompres_s = 1",
            "Unknown key 'compres_s' in {path}, [limits]. Did you mean 'compress_s'? Known: compress_s, evaluate_s,",
        ),
        ("[limits]\nzzz = 1", "Unknown key 'zzz' in {path}, [limits]. Known: compress_s,"),
    ],
)
def test_an_unknown_key_fails_with_a_suggestion(write, text, words):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert str(caught.value).startswith(words.format(path=path))
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('tier = "medium"', r"Invalid enum value 'medium' - at `\$.tier`"),
        ("tier = 1", r"at `\$.tier`"),
        ('models = "glyph_clip"', r"Expected `array`, got `str` - at `\$.models`"),
        ("models = [1]", r"at `\$.models\[...\]`|at `\$.models\[0\]`"),
        ('test_seed = "1"', r"Expected `int`, got `str` - at `\$.test_seed`"),
        ("test_seed = 1.5", r"at `\$.test_seed`"),
        ("test_seed = true", r"Expected `int`, got `bool`"),
        ("test_seed = -1", "test_seed must be 0 or more"),
        ("retry_failed = 1", r"Expected `bool`"),
        ("results = 3", r"Expected `str`"),
        ('results = ""', r"results names no folder"),
        ('work = " "', r"work names no folder"),
        ("limits = 3", r"Expected `object`, got `int` - at `\$.limits`"),
        ("[budget]\nsteps = 0", "steps must be above 0 and finite: without a budget nothing can be trained"),
        ("[budget]\nseconds = -1.0", "seconds must be above 0"),
        ("[limits]\ncompress_s = 0", "compress_s must be above 0"),
        ("[limits]\nevaluate_s = -1", "evaluate_s must be above 0"),
        ("[limits]\nlaunch_s = nan", "launch_s must be above 0"),
        ("[limits]\nmemory_gib = inf", "memory_gib must be above 0 and finite"),
        ('[limits]\nmemory_gib = "12"', r"Expected `float`, got `str` - at `\$.limits.memory_gib`"),
    ],
)
def test_a_value_that_cannot_be_used_fails(write, text, words):
    path = write(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load(path, {})
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("change", [{"tier": "medium"}, {"test_seed": -1}, {"nonsense": 1}])
def test_a_value_of_the_command_line_is_checked_too(change):
    with pytest.raises(ConfigError, match="the command line"):
        load(None, change)


@pytest.mark.parametrize("text", [b"models = [", b"tier: quick", b'tier = "\xff"', b"tier = 'quick'\ntier = 'full'", b"\x00"])
def test_a_file_that_is_not_toml_fails(write, text):
    path = write(text)
    with pytest.raises(ConfigError, match=r"is not TOML") as caught:
        load(path, {})
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read_fails(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read \(No such file or directory\)"):
        load(tmp_path / "nothing.toml", {})
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        load(tmp_path, {})


def test_a_config_cannot_be_changed():
    with pytest.raises(AttributeError):
        Config().tier = "full"
    with pytest.raises(ValueError, match="above 0"):
        msgspec.structs.replace(Limits(), launch_s=0.0)


@pytest.mark.parametrize(
    ("scenarios", "said"),
    [
        (["batch_9"], "there is no scenario 'batch_9'; did you mean 'batch_8'?"),
        (["none", "server"], "'none' stands for itself alone"),
    ],
)
def test_a_scenario_that_is_none_is_named(scenarios, said):
    with pytest.raises(ConfigError) as error:
        load(None, {"scenarios": scenarios})
    assert said in str(error.value)


def test_the_scenarios_are_those_that_can_be_measured():
    assert (*NAMES, "none") == SCENARIOS
