"""Plug-ins are found by name; one that cannot be read is set aside with its reason and hides none of the others."""

import importlib
import sys

import pytest

from suite import registry
from suite.contracts import MethodCard, ModelCard, Skip, TargetCard
from suite.errors import ConfigError, PlugInError, UnknownName
from suite.registry import FOLDERS, PACKAGES, discover, extend

VARIANTS = "(Variant(name='light', summary=''), Variant(name='strong', summary=''))"
METHOD = """
from suite.contracts import Claims, MethodCard, Parameter, Skip, Step, Variant
CARD = MethodCard(name={name!r}, title='T', summary='', family='pruning', stage={stage!r}, division='data-free',
    parameters={parameters}, variants={variants})
"""
MODEL = """
from suite.contracts import Component, ModelCard, Tensor
X = (Tensor('x', 'float32', ('batch', 4)),)
CARD = ModelCard(name={name!r}, title='T', summary='', task='', metric={metric!r}, other_metrics={others}, chance=0.1, request='',
    data='', licence='', components={components})
"""
TARGET = """
from suite.contracts import Skip, TargetCard
CARD = TargetCard(name={name!r}, title='T', summary='', device='ARM CPU', runtime='r', formats=('onnx',), {more})
"""


def method(name, stage="graph", parameters="()", variants=VARIANTS):
    return METHOD.format(name=name, stage=stage, parameters=parameters, variants=variants)


def model(name, metric="recall_at_1", others="()", components="(Component('a', 'vision', X, X), Component('b', 'text', X, X))"):
    return MODEL.format(name=name, metric=metric, others=others, components=components)


def target(name, probe="def probe(): return None", more=""):
    return TARGET.format(name=name, more=more) + probe


@pytest.fixture
def plug_ins(tmp_path):
    """Writes plug-ins under a folder and lets them be found: `plug_ins("method", mine="source")`. Forgets them afterwards."""
    packages = {package: importlib.import_module(package) for package in PACKAGES.values()}
    paths, loaded = {name: list(package.__path__) for name, package in packages.items()}, set(sys.modules)

    def write(kind, *, folder="plugins", **sources):
        for name, source in sources.items():
            place = tmp_path / folder / FOLDERS[kind] / name
            place.mkdir(parents=True)
            (place / "__init__.py").write_text(source)
        importlib.invalidate_caches()
        return extend([tmp_path / folder])

    yield write
    for package, module in packages.items():
        module.__path__[:] = paths[package]
    for name in set(sys.modules) - loaded:
        package, _, child = name.rpartition(".")
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
            vars(packages.get(package, registry)).pop(child, None)


def _broken(found):
    return {(error.kind, error.name): error.reason for error in found.broken}


def test_what_is_built_in_is_found_whole():
    found = discover()
    assert found.broken == ()
    assert {"baseline_fp32", "dynamic_int8"} <= set(found.methods)
    assert "x86_cpu_ort" in found.targets
    for kind, card in (("model", ModelCard), ("method", MethodCard), ("target", TargetCard)):
        assert all(isinstance(value, card) and value.name == name for name, value in found.cards(kind).items())
        assert all((kind, name) in found.sources for name in found.cards(kind))
        assert list(found.cards(kind)) == sorted(found.cards(kind))
    assert set(found.probes) == set(found.targets)


def test_new_plug_ins_stand_beside_the_built_in_ones(plug_ins, tmp_path):
    before = discover()
    plug_ins("method", mine=method("mine"))
    plug_ins("model", my_model=model("my_model"))
    paths = plug_ins("target", my_board=target("my_board"))
    found = discover()
    assert found.broken == ()
    assert set(found.methods) == {*before.methods, "mine"}
    assert set(found.models) == {*before.models, "my_model"}
    assert set(found.targets) == {*before.targets, "my_board"}
    assert paths == {package: [str(tmp_path / "plugins" / FOLDERS[kind])] for kind, package in PACKAGES.items()}
    assert found.find("method", "mine") is found.methods["mine"]
    extend([tmp_path / "plugins", tmp_path / "plugins"])
    assert discover().broken == (), "a folder that is named twice is one folder"


def test_a_folder_without_plug_ins_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds none of models/, methods/ and targets/"):
        extend([tmp_path])


BROKEN = {
    "raises": ("raise ValueError('no such\\nluck')", "importing it raised ValueError: no such"),
    "raises_silently": ("raise ValueError", "importing it raised ValueError"),
    "exits": ("import sys; sys.exit(3)", "importing it raised SystemExit: 3"),
    "is_not_python": ("CARD = (", "importing it raised SyntaxError"),
    "needs_more": ("import no_such_library", "importing it raised ModuleNotFoundError: No module named 'no_such_library'"),
    "has_no_card": ("x = 1", "its __init__.py has no CARD that is a MethodCard"),
    "has_another_card": (target("has_another_card"), "its __init__.py has no CARD that is a MethodCard"),
    "has_the_class": ("from suite.contracts import MethodCard as CARD", "its __init__.py has no CARD that is a MethodCard"),
    "calls_itself_other": (method("dynamic_int8"), "its card calls itself 'dynamic_int8', its folder 'calls_itself_other'"),
    "misses_a_field": ("from suite.contracts import MethodCard\nCARD = MethodCard(name='misses_a_field')", "importing it raised TypeError"),
    "has_no_variants": (method("has_no_variants", variants="()"), "it has no variants"),
    "repeats_a_variant": (
        method("repeats_a_variant", variants="(Variant(name='a', summary=''), Variant(name='a', summary=''))"),
        "its variants need names that differ",
    ),
    "names_a_path": (method("names_a_path", variants="(Variant(name='../a', summary=''),)"), "variant '../a': a name is made of"),
    "gives_too_much": (
        method("gives_too_much", variants="(Variant(name='a', summary='', parameters={'bits': 4}),)"),
        "variant 'a' gives ['bits'], the card declares []",
    ),
    "gives_too_little": (method("gives_too_little", parameters="(Parameter('bits', int, ''),)"), "variant 'light' gives [], the card"),
    "is_out_of_bounds": (
        method(
            "is_out_of_bounds",
            parameters="(Parameter('bits', int, '', low=2, high=8),)",
            variants="(Variant(name='a', summary='', parameters={'bits': 4}), Variant(name='b', summary='', parameters={'bits': 9}))",
        ),
        "variant 'b': bits must lie in [2, 8], not 9",
    ),
    "is_of_another_type": (
        method(
            "is_of_another_type",
            parameters="(Parameter('bits', int, ''),)",
            variants="(Variant(name='a', summary='', parameters={'bits': '4'}),)",
        ),
        "variant 'a': bits must be int, not str",
    ),
    "has_steps_and_is_no_recipe": (
        method("has_steps_and_is_no_recipe", variants="(Variant(name='a', summary='', steps=(Step('x', 'y'),)),)"),
        "variant 'a': a recipe has steps, and nothing else has",
    ),
    "is_a_recipe_without_steps": (method("is_a_recipe_without_steps", stage="recipe"), "variant 'light': a recipe has steps"),
    "is_nonsense": (
        method("is_nonsense", variants="'abc'"),
        "variants of the card is 'abc', not a tuple of Variant",
    ),
    "is_more_nonsense": (method("is_more_nonsense", variants="3"), "variants of the card is 3, not a tuple of Variant"),
    "is_of_no_stage": (method("is_of_no_stage", stage="grpah"), "stage of the card is 'grpah', not one of 'module', 'graph'"),
    "lists_what_is_a_tuple": (
        method("lists_what_is_a_tuple", variants="[Variant(name='a', summary='')]"),
        "variants of the card is [Variant(name='a'",
    ),
    "claims_in_words": (
        method("claims_in_words", variants="(Variant(name='a', summary='', claims=Claims(weight_bits='8', operators='MatMul')),)"),
        "weight_bits of claims of Variant 'a' is '8', not int or None; operators of claims of Variant 'a' is 'MatMul', not a tuple",
    ),
    "has_a_list_for_a_parameter": (
        method("has_a_list_for_a_parameter", parameters="(Parameter('bits', list, ''),)"),
        "kind of Parameter 'bits' is <class 'list'>, not the type bool or the type int",
    ),
    "is_infinite": (
        method(
            "is_infinite",
            parameters="(Parameter('share', float, ''),)",
            variants="(Variant(name='a', summary='', parameters={'share': float('inf')}),)",
        ),
        "share in parameters of Variant 'a' is inf, no finite number",
    ),
    "is_beyond_any_record": (
        method(
            "is_beyond_any_record",
            parameters="(Parameter('bits', int, ''),)",
            variants="(Variant(name='a', summary='', parameters={'bits': 10**40}),)",
        ),
        "bits in parameters of Variant 'a' is 10000",
    ),
    "has_half_a_letter": (
        method("has_half_a_letter", variants="(Variant(name='a', summary='\\ud800'),)"),
        "summary of Variant 'a' is '\\ud800', with the hidden character U+D800",
    ),
    "has_an_endless_name": (
        method("has_an_endless_name", variants="(Variant(name='a' * 230, summary=''),)"),
        "the name 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u2026' has 230 characters, and may have 48",
    ),
    "raises_what_is_no_exception": ("class End(BaseException): ...\nraise End('the end')", "importing it raised End: the end"),
}


def test_a_broken_method_says_why_and_hides_no_other(plug_ins):
    before = discover()
    plug_ins("method", fine=method("fine"), **{name: source for name, (source, _) in BROKEN.items()})
    found = discover()
    assert set(found.methods) == {*before.methods, "fine"}
    reasons = _broken(found)
    assert set(reasons) == {("method", name) for name in BROKEN}
    for name, (_, words) in BROKEN.items():
        assert reasons["method", name].startswith(words), name
        assert "\n" not in reasons["method", name]
        with pytest.raises(PlugInError) as caught:
            found.find("method", name)
        assert (caught.value.kind, caught.value.name) == ("method", name)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (model("strange", metric="Charm!"), "its metric 'Charm!' needs a name of lower-case letters, digits and '_'"),
        (model("strange", others="('my grace',)"), "its metric 'my grace' needs a name of lower-case letters, digits and '_'"),
        (model("strange", components="()"), "it has no components"),
        (model("strange", components="(Component('a', 'text', X, X),) * 2"), "its components need names that differ"),
    ],
)
def test_a_model_that_declares_nonsense_is_set_aside(plug_ins, source, words):
    plug_ins("model", strange=source, my_model=model("my_model"))
    found = discover()
    assert _broken(found) == {("model", "strange"): words}
    assert "my_model" in found.models
    assert "strange" not in found.models


@pytest.mark.parametrize("probe", ["", "probe = None"])
def test_a_target_that_cannot_be_probed_is_set_aside(plug_ins, probe):
    plug_ins("target", my_board=target("my_board", probe), other=target("other"))
    found = discover()
    assert _broken(found) == {("target", "my_board"): "its __init__.py has no function probe()"}
    assert set(found.probes) == set(found.targets)
    assert "other" in found.targets


def test_two_folders_of_one_name_are_both_refused(plug_ins, tmp_path):
    plug_ins("method", folder="first", mine=method("mine"), alone=method("alone"))
    plug_ins("method", folder="second", mine=method("mine"))
    found = discover()
    assert "mine" not in found.methods
    assert "alone" in found.methods
    (error,) = found.broken
    assert (error.kind, error.name) == ("method", "mine")
    assert error.reason == f"two of that name were found, one of them {tmp_path / 'second' / 'methods' / 'mine'}"


def test_a_built_in_plug_in_cannot_be_replaced_in_silence(plug_ins):
    plug_ins("method", dynamic_int8=method("dynamic_int8"))
    assert "two of that name were found" in _broken(discover())["method", "dynamic_int8"]


def test_an_unknown_name_is_told_with_the_nearest(plug_ins):
    plug_ins("method", mine=method("mine"))
    found = discover()
    with pytest.raises(UnknownName, match=r"There is no method 'dynamic_int'\. Did you mean 'dynamic_int8'\? There are: .*mine"):
        found.find("method", "dynamic_int")
    with pytest.raises(UnknownName, match="There is no target 'mine'"):
        found.find("target", "mine")


def test_a_method_may_say_what_it_supports(plug_ins):
    plug_ins("method", choosy=method("choosy") + "\ndef supports(model, target, variant): return Skip(variant)\n", mine=method("mine"))
    found = discover()
    assert found.supports["choosy"](None, None, "light") == Skip("light")
    assert "mine" not in found.supports


def test_a_question_that_raises_is_answered_with_a_skip(plug_ins):
    plug_ins("method", asks=method("asks") + "\ndef supports(model, target, variant): return model.nonsense\n")
    plug_ins("target", my_board=target("my_board", "def probe(): raise OSError('no such device')"))
    found = discover()
    assert found.probes["my_board"]() == Skip("asked whether it can be done, it raised OSError: no such device")
    assert found.supports["asks"](1, 2, 3).reason.endswith("it raised AttributeError: 'int' object has no attribute 'nonsense'")


@pytest.mark.parametrize("answer", ["True", "'too old'", "Skip(3)"])
def test_an_answer_that_is_neither_none_nor_a_skip_is_told_as_one(plug_ins, answer):
    plug_ins("method", asks=method("asks") + f"\ndef supports(model, target, variant): return {answer}\n")
    skip = discover().supports["asks"](1, 2, 3)
    assert isinstance(skip, Skip)
    assert 'None says yes, and Skip("the reason") no' in skip.reason


def test_what_a_plug_in_prints_is_none_of_the_answer(plug_ins, capsys):
    printed = "print('hello')\n" + method("loud") + "\ndef supports(model, target, variant): print('and again')\n"
    plug_ins("method", loud=printed)
    assert discover().supports["loud"](1, 2, 3) is None
    assert capsys.readouterr() == ("", "hello\nand again\n")


def test_a_plug_in_s_source_is_the_hash_of_its_folder(plug_ins, tmp_path):
    plug_ins("method", mine=method("mine"))
    before = discover().sources["method", "mine"]
    assert discover().sources["method", "mine"] == before
    (tmp_path / "plugins" / "methods" / "mine" / "apply.py").write_text("def apply(): ...\n")
    assert discover().sources["method", "mine"] != before


def test_modules_and_files_beside_plug_ins_are_none(plug_ins, tmp_path):
    plug_ins("method", mine=method("mine"))
    (tmp_path / "plugins" / "methods" / "helper.py").write_text("raise ValueError\n")
    (tmp_path / "plugins" / "methods" / "notes").mkdir()
    assert _broken(discover()) == {}


def test_a_borrowed_runner_belongs_to_what_a_target_depends_on(plug_ins, tmp_path):
    plug_ins("target", lender=target("lender"), borrower=target("borrower", more="runner='lender'"), alone=target("alone"))
    before = dict(discover().sources)  # all of them worked out: a hash is, when it is asked for
    lender = tmp_path / "plugins" / "targets" / "lender" / "__init__.py"
    lender.write_text(lender.read_text() + "\n")
    after = discover().sources
    assert {name for kind, name in before if kind == "target" and before[kind, name] != after[kind, name]} == {"lender", "borrower"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("runner='nobody'", "it runs with the runner of 'nobody', and there is no such target"),
        ("reference='nobody'", "it is timed beside 'nobody', and there is no such target"),
        ("environment='moon'", "its worker runs in the environment 'moon', and there are arm-emulated, x86-emulated"),
        ("items=0", "its items must be 1 or more"),
        ("patience=0.5", "its patience must be 1 or more"),
    ],
)
def test_a_target_that_names_what_is_not_there_is_set_aside(plug_ins, more, words):
    plug_ins("target", astray=target("astray", more=more))
    found = discover()
    assert "astray" not in found.targets
    assert words in str(next(error for error in found.broken if error.name == "astray"))
