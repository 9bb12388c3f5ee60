"""What a user types wrongly is answered with one clear sentence and a non-zero exit; what is right is answered well."""

import signal
import subprocess
import sys
import urllib.request

import pytest
from conftest import PLUGINS, ROOT, heed_ctrl_c

WRONG = [
    (("run", "--models", "glyf_clip"), "There is no model 'glyf_clip'. Did you mean 'glyph_clip'?"),
    (("run", "--methods", "dynamic_int4"), "Did you mean 'dynamic_int8'?"),
    (("run", "--methods", "dynamic_int8/per_chanel"), "Did you mean 'per_channel'?"),
    (("run", "--targets", "x86_cpu_otr"), "Did you mean 'x86_cpu_ort'?"),
    (("plan", "--models", "nothing_like_it"), "There are: "),
    (("run", "--tier", "quik"), "'quik' is not one of 'quick', 'full'"),
    (("run", "--test-seed", "-1"), "-1"),
    (("run", "--modls", "glyph_clip"), "--models"),
    (("rum",), "No such command 'rum'"),
    (("list", "model"), "'model' is not one of"),
    (("describe", "dynamic_int9"), "Did you mean 'dynamic_int8'?"),
    (("train", "glyph"), "There is no model 'glyph'"),
    (("run", "--config", "no/such/file.toml"), "The config file no/such/file.toml cannot be read"),
    (("run", "--plugins", "tests/golden"), "holds none of models/, methods/ and targets/"),
    (("render", "--results", "no/such/results"), "run `squeezemark run` first"),
    (
        ("compare", "int4_rtm/block_32", "dynamic_int8", "--results", "site/results"),
        "no measured method 'int4_rtm'. Did you mean 'int4_rtn'?",
    ),
    (
        ("compare", "int4_rtn", "dynamic_int8", "--results", "site/results"),
        "have no variant of the same name; choose from int4_rtn/block_128",
    ),
    (("compare", "int4_rtn", "dynamic_int8", "--results", "no/such/results"), "run `squeezemark run` first"),
    (("submit", "dynamic_int9", "--results", "site/results"), "Did you mean 'dynamic_int8'?"),
    (("submit", "dynamic_int8", "--results", "no/such/results"), "run `squeezemark run` first"),
    (("submit", "litert_dynamic_int8", "--results", "tests/golden"), "there is no record of it in tests/golden"),
    (("verify",), "Name a bundle"),
    (("verify", "--all", "--results", "no/such/results"), "There is no folder no/such/results"),
    (("serve", "--out", "no/such/site"), "run `squeezemark render` first"),
]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_a_wrong_request_is_one_sentence(arguments, sentence, squeezemark):
    done = squeezemark(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert sum("Error: " in line for line in done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("modles = ['glyph_clip']", "Unknown key 'modles' in {path}. Did you mean 'models'?"),
        ("[limits]\nmemory_gb = 3", "Did you mean 'memory_gib'?"),
        ("tier = 'slow'", "A value in {path} cannot be used"),
        ("models = 3", "A value in {path} cannot be used"),
        ("models = [", "is not TOML"),
        ("[limits]\ncompress_s = 0", "compress_s must be above 0"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_sentence(text, sentence, squeezemark, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(text)
    done = squeezemark("run", "--config", path)
    assert done.returncode == 2
    assert sentence.format(path=path) in done.stderr
    assert done.stderr.count("\n") == 1


COMMANDS = [
    "list",
    "describe",
    "plan",
    "run",
    "sensitivity",
    "crosscheck",
    "render",
    "serve",
    "train",
    "new-model",
    "check-model",
    "compress",
    "compare",
    "recommend",
    "recompute",
    "submit",
    "verify",
    "new-target",
    "env",
    "doctor",
]


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_every_command_explains_itself(command, squeezemark):
    done = squeezemark(*command, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 5


def test_plan_measures_nothing_and_says_what_would_be(squeezemark, tmp_path):
    done = squeezemark(
        "plan", "--models", "tiny_matcher", "--plugins", PLUGINS, "--results", tmp_path / "none", "--work", tmp_path / "work"
    )
    assert done.returncode == 0
    assert "tiny_matcher dynamic_int8/per_tensor x86_cpu_ort" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["glyph_clip", "scene_vqa", "svd_low_rank", "per_component_int8", "x86_cpu_ort"])
def test_describe_shows_the_card(name, squeezemark):
    done = squeezemark("describe", name)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) >= 8


def test_serve_shows_the_site_on_the_loopback_interface_until_it_is_interrupted(tmp_path):
    (tmp_path / "index.html").write_text("<p>here</p>")
    command = [sys.executable, "-m", "suite", "serve", "--out", str(tmp_path), "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c)
    address = process.stdout.readline().split()[0]
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.read() == b"<p>here</p>"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    process.stdout.close()
    process.stderr.close()
