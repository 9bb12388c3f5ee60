"""What the documents say is done as they say it."""

import re

import pytest
from conftest import PLUGINS, ROOT

from suite.store import Store

README, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def mine(tmp_path):
    """The plug-in folder that the README builds."""
    card, apply = _blocks(README, "python")
    folder = tmp_path / "mine" / "methods" / "ternary"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(card)
    (folder / "apply.py").write_text(apply)
    return tmp_path / "mine"


def _run(squeezemark, mine, work, results):
    options = ("--models", "tiny_matcher", "--plugins", PLUGINS, "--results", results, "--work", work)
    done = squeezemark("run", "--plugins", mine, "--methods", "baseline_fp32,ternary", *options)
    return done, {record.cell.method: record for record in Store(results).records()}


def test_the_method_of_the_readme_becomes_a_row(squeezemark, mine, work, tmp_path):
    done, records = _run(squeezemark, mine, work, tmp_path / "results")
    assert done.returncode == 0, done.stdout + done.stderr
    assert records["ternary"].status == "ok"
    assert [check.claim for check in records["ternary"].artifact.claims] == ["sparsity"]
    site = squeezemark("render", "--results", tmp_path / "results", "--out", tmp_path / "site", "--plugins", mine, "--plugins", PLUGINS)
    assert site.returncode == 0, site.stderr
    assert "Ternary weights" in (tmp_path / "site" / "method" / "ternary.html").read_text()


def test_and_fails_with_what_was_found_when_it_claims_more(squeezemark, mine, work, tmp_path):
    card = mine / "methods" / "ternary" / "__init__.py"
    card.write_text(card.read_text().replace("sparsity=0.3", "sparsity=0.9"))
    done, records = _run(squeezemark, mine, work, tmp_path / "results")
    assert done.returncode == 1
    assert records["ternary"].status == "claim_not_borne_out"
    assert re.search(r"90\.0 % zeros.*the artifact shows \d+\.\d %", records["ternary"].reason)


def test_both_readmes_have_the_same_code_and_the_same_sections():
    for language in ("python", "sh"):
        strip = [re.sub(r"#.*", "", block).split() for block in _blocks(README, language)]
        assert strip == [re.sub(r"#.*", "", block).split() for block in _blocks(CHINESE, language)]
    assert README.count("\n## ") == CHINESE.count("\n## ") == 6


def test_every_link_to_a_file_leads_somewhere():
    for name in (
        "README.md",
        "README.zh-CN.md",
        "CONTRIBUTING.md",
        "docs/methods.md",
        "docs/models.md",
        "docs/measurement.md",
        "docs/submit.md",
        "docs/security.md",
        "SECURITY.md",
        "docs/publishing.md",
    ):
        for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text(encoding="utf-8")):
            if not link.startswith("https://"):
                assert ((ROOT / name).parent / link).exists(), f"{name}: {link}"


def test_the_config_of_the_methods_page_can_be_read(tmp_path):
    from suite.config import load

    text = (ROOT / "docs" / "methods.md").read_text()
    block = re.search(r"    # config\.toml.*?(?=\n## )", text, re.DOTALL)[0]
    (tmp_path / "config.toml").write_text("\n".join(line[4:] for line in block.splitlines()))
    config = load(tmp_path / "config.toml", {})
    assert config.tier == "full"
    assert config.methods == ("baseline_fp32", "ternary")
    assert config.limits.memory_gib == 12.0
