"""Every string in every language: found, translated, put back where it stood, and shown."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from babel.messages.pofile import read_po
from browsing import BROWSER, every_kind, visit
from jinja2 import nodes
from playwright.sync_api import expect
from site_cards import method_cards, model_cards, target_cards
from site_pages import Page

from suite.known import KNOWN
from suite.publishing.languages import ENGLISH, Language, catalogues, languages
from suite.publishing.phrases import messages, translated
from suite.publishing.press import sources
from suite.publishing.vocabulary import vocabulary
from suite.store import Store
from suite.wording import say

ROOT = Path(__file__).parent.parent
SITE = ROOT / "site"
CHINESE = languages(SITE)[1]
PROSE = re.compile(r"[A-Za-z]{3,} [A-Za-z]{2,}|^[A-Z][a-z]+$")
NAMES = {
    "Squeezemark",
    "· Squeezemark",
    "Squeezemark {squeezemark}",
    *("results.csv", "results.json", "results.parquet", "results.schema.json", "record.schema.json", "feed.xml", "CSV", "JSON"),
    *(
        "MB",
        "MACs, M",
        "zstd, MB",
        "and {speed_words},",
        "5MB",
        "zstd",
        "quick",
        "full",
        "recall@1",
        "recall@5",
        "CIDEr-D",
        "{bytes} MB",
        "{number} MB",
        "{median_ms} ms",
    ),
    *("and {speed_words},", "{memory_bytes} GiB", "{name} {size} KiB{value}", "Python {python}"),
}
"""Names, units and file formats, which are the same in Chinese, and a conjunction that is a comma there."""
VALUES = {"-size", "-speed", "unknown", "none", " open", " on-frontier", "L", "M", "large", "small", " worst", "batch", "#components-alone"}
"""Values of attributes, commands of paths and the name of a dimension: what templates put together that is no text."""


def test_the_catalogues_hold_every_string_of_the_sources() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "messages", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Every message and each of its translations."""
    with path.open("rb") as file:
        for message in read_po(file, locale=path.parent.parent.name):
            if message.id:
                assert not message.fuzzy, message.id
                texts = message.string if isinstance(message.string, tuple) else (message.string,)
                for text in texts:
                    yield message.id if isinstance(message.id, str) else message.id[1], text


@pytest.mark.parametrize("path", catalogues(SITE), ids=lambda path: path.parent.parent.name)
def test_no_string_is_untranslated_and_none_loses_what_it_holds(path: Path) -> None:
    found = list(pairs(path))
    assert len(found) > 800
    held = re.compile(r"\{\w+\}|</?\w+>|<code>.*?</code>")
    for message, text in found:
        assert text.strip(), f"not translated: {message}"
        assert Counter(held.findall(message)) == Counter(held.findall(text)), message
        assert '"' not in text  # it may stand in an attribute
        assert "{{" not in text
        assert "{%" not in text
        assert set(re.findall(r"<.", text)) <= set(re.findall(r"<.", message)), message


def test_chinese_is_chinese_with_its_own_punctuation() -> None:
    for message, text in pairs(catalogues(SITE)[0]):
        bare = re.sub(r"<code>.*?</code>|\{\w+\}|<[^>]*>|&\w+;", "", message)
        if re.search("[A-Za-z]{3}", bare) and not re.search("[\u4e00-\u9fff]", text):
            assert message in NAMES, f"not translated: {message}"
        assert not re.search(r"[\u4e00-\u9fff] ?[,;:?!](?!\w)", text), text
        assert not re.search(r" [，。；：！？）]|（ ", text), text


def test_phrases_are_found_where_they_stand() -> None:
    source = (
        '{# no #}<p class="x" title="A title">One {{ first.of(them) }} and <a href="{{ root }}two">two</a>, '
        "<code>as it is</code>.</p><style>h1 {}</style>{% if more %}More{% endif %}<pre><code>run {{ this }}</code></pre>"
        '<nav><a href="a">Left</a> <a href="b">Right</a></nav><td>Size<span class="under">95 %\n interval</span></td>'
    )
    assert messages(source) == [
        *("A title", "One {of} and <1>two</1>, <code>as it is</code>.", "More", "Left", "Right", "Size", "95 % interval"),
    ]
    assert translated(source, lambda message: message) == source
    codes = 'The <code>{{ one }}</code> and <code class="x">two</code> of <a href="a">all<span class="under">or none</span></a>'
    assert messages(codes) == ["The {code} and {code2} of", "all", "or none"]


def test_a_translation_is_put_back_around_expressions_that_are_escaped_as_ever(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<p>{{ name }} beats <a href="{{ link }}">{{ other }}</a> by {{ "%.1f"|format(gap) }}. </p>')
    assert messages((tmp_path / "page.html").read_text()) == ["{name} beats <1>{other}</1> by {gap}."]

    class Turned(Language):
        def message(self, text: str) -> str:
            return {"{name} beats <1>{other}</1> by {gap}.": "<1>{other}</1>输给{name}，差{gap}。"}[text]

    loader = Turned("zh", "zh/").loader(tmp_path)
    page = jinja2.Environment(loader=loader, autoescape=True).get_template("page.html").render(name="<b>", link='"x', other="&", gap=2)
    assert page == '<p><a href="&#34;x">&amp;</a>输给&lt;b&gt;，差2.0。</p>'


def test_values_are_escaped_and_words_remember_how_they_were_made() -> None:
    assert CHINESE.say("{times} smaller", times="<b>") == "缩小 &lt;b&gt;"
    words = say("{name} has not been measured", name="gptq/{x}")
    assert words == "gptq/{x} has not been measured"
    assert json.dumps(words) == '"gptq/{x} has not been measured"'
    assert CHINESE.words(words) == "gptq/{x} 没有测量过"
    assert ENGLISH.words(words) == words
    inner = say("{begin} They cannot be compared with the published ones: {reason}.", begin=say("not graded"), reason=say("too large"))
    assert CHINESE.words(inner) == "没有等级它们不能与已发布的结果比较：太大。"
    assert CHINESE.words("what no table says") == "what no table says"
    assert CHINESE.words(None) is None


def test_a_language_of_several_plurals_counts_in_them(tmp_path: Path) -> None:
    path = tmp_path / "cs" / "LC_MESSAGES" / "squeezemark.po"
    path.parent.mkdir(parents=True)
    path.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "{n} item"\nmsgid_plural "{n} items"\nmsgstr[0] "{n} položka"\nmsgstr[1] "{n} položky"\nmsgstr[2] "{n} položek"\n',
        encoding="utf-8",
    )
    czech = Language.of(path)
    assert (czech.tag, czech.folder, czech.name) == ("cs", "cs/", "čeština")
    assert [czech.count("{n} item", "{n} items", n) for n in (1, 3, 1000)] == ["1 položka", "3 položky", "1,000 položek"]
    assert [ENGLISH.count("{n} item", "{n} items", n) for n in (1, 3, 1000)] == ["1 item", "3 items", "1,000 items"]
    assert CHINESE.count("{n} item", "{n} items", 1) == "1 个测试项"


def unsaid(node: nodes.Node, shown: bool = False) -> Iterator[str]:
    """Strings of a template's expressions that are not named by `_`, if they are prose or may be shown as they are."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in ("_", "_n"):
        return
    text = node.value if isinstance(node, nodes.Const) and isinstance(node.value, str) else ""
    if PROSE.search(text) or (shown and re.search("[A-Za-z]", text)):
        yield text
    if isinstance(node, nodes.CondExpr):
        yield from unsaid(node.test)
        yield from (text for branch in (node.expr1, node.expr2) if branch is not None for text in unsaid(branch, shown))
        return
    for child in node.iter_child_nodes():
        yield from unsaid(child, isinstance(node, nodes.Or | nodes.Concat | nodes.Output))


def test_no_string_in_an_expression_or_a_script_is_forgotten() -> None:
    for path in sorted((SITE / "templates").glob("*.html")):
        if path.name != "report.html":
            assert set(unsaid(jinja2.Environment().parse(path.read_text(encoding="utf-8")))) <= VALUES, path.name
    known = {text for pair in pairs(catalogues(SITE)[0]) for text in pair} | {"use strict"}
    known |= {message.id[0] for message in CHINESE.catalogue if isinstance(message.id, tuple)}
    for path in sorted((SITE / "assets").glob("*.js")):
        source = re.sub(r"^\s*//.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        texts = {text for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', source) if PROSE.search(text)} - known
        assert not {text for text in texts if not re.fullmatch(r"[a-z -]+|[^A-Z]*[.#\[][^A-Z]*", text)}, path.name  # classes, selectors
        for inside in re.findall(r"`([^`]*)`", source):
            text = re.sub(r"\$\{[^}]*\}", "", inside)
            rest = re.sub(r"squeezemark .*|family-.*|vouched.*|[.#\[].*", "", text).strip()
            assert " " not in rest or not PROSE.search(rest), f"{path.name}: {text}"


class Shown(HTMLParser):
    """Texts of a page that are in its own language: not code, and not marked as English."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.texts: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in ("meta", "link", "img", "br", "input", "wbr"):
            self.open.append((tag, tag in ("code", "script") or given.get("lang") == "en"))
        if not any(apart for _, apart in self.open):
            self.texts += [given[name] or "" for name in ("aria-label", "placeholder", "alt") if name in given]

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not any(apart for _, apart in self.open):
            self.texts.append(" ".join(data.split()))


def test_a_chinese_page_says_nothing_in_english_but_names_and_records(leaderboard: Path, site_records: Store) -> None:
    theirs = repr([model_cards(), method_cards(), target_cards(), KNOWN, *site_records.records()])
    looked = 0
    for page in sorted((leaderboard / "zh").rglob("*.html")):
        if page.parent.name == "record" and looked > 60:
            continue
        looked += 1
        for text in Shown(page).texts:
            for words in re.findall(r"(?<![\w·] )(?<!\w)[A-Za-z]+(?: [a-z]{2,}\b(?!@))+", text):
                assert words in theirs or words.replace(" ", "_") in theirs, f"{page.name}: {text}"


def test_every_page_is_there_in_every_language_and_names_the_others(leaderboard: Path) -> None:
    english = {path.relative_to(leaderboard).as_posix() for path in leaderboard.rglob("*.html")} - {
        path.relative_to(leaderboard).as_posix() for path in (leaderboard / "zh").rglob("*.html")
    }
    assert english == {path.relative_to(leaderboard / "zh").as_posix() for path in (leaderboard / "zh").rglob("*.html")}
    for name in english:
        for folder, tag in (("", "en"), ("zh/", "zh-Hans")):
            page = Page(leaderboard / folder / name)
            found = [a for t, a in page.elements if t == "link" and a.get("hreflang")]
            assert [a["hreflang"] for a in found] == ["en", "zh-Hans", "x-default"]
            led = [(page.path.parent / a["href"]).resolve() for a in found]
            assert led == [(leaderboard / place / name).resolve() for place in ("", "zh/", "")]
            assert next(a["lang"] for t, a in page.elements if t == "html") == tag
            other = next(a for t, a in page.elements if t == "a" and a.get("hreflang"))
            assert (other["hreflang"], other["lang"]) == (("zh-Hans", "zh-Hans") if tag == "en" else ("en", "en"))


def test_scripts_get_their_words_from_the_catalogue(leaderboard: Path) -> None:
    text = (leaderboard / "assets/words.zh-Hans.js").read_text(encoding="utf-8")
    words = json.loads(text.removeprefix("self.squeezemarkWords = ").removesuffix(";\n"))
    scripts = (path.read_text(encoding="utf-8") for path in (SITE / "assets").glob("*.js"))
    said = {text for source in scripts for text in re.findall(r'\bsay\(\s*"((?:[^"\\]|\\.)*)"', source)}
    assert len(said) > 100
    assert said <= words.keys()
    assert {word for place, word in vocabulary() if place == "suite/recommend.py"} <= words.keys()
    assert words["{n} result fits"] == words["{n} results fit"]
    assert "words." not in (leaderboard / "table.html").read_text(encoding="utf-8")


def test_catalogues_lie_beside_the_templates() -> None:
    assert catalogues(sources()) == catalogues(SITE)
    assert [language.tag for language in languages(sources())] == ["en", "zh-Hans"]


needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")


@needs_browser
def test_the_finder_answers_in_chinese_and_the_other_language_keeps_the_view(browser, address: str) -> None:
    page = visit(browser, f"{address}/zh/index.html#?loss=any")
    page.get_by_label("体积，最多").fill("5MB")
    expect(page.locator(".finder .count")).to_contain_text("符合条件")
    expect(page.locator(".advice .headline .figure").first).to_contain_text("速度")
    page.get_by_role("link", name="English").click()
    expect(page).to_have_url(f"{address}/index.html#?loss=any&size=5MB")
    expect(page.locator(".advice .headline .figure").first).to_contain_text("as fast")
    page.get_by_role("link", name="中文").click()
    expect(page).to_have_url(f"{address}/zh/index.html#?loss=any&size=5MB")
    page.goto(f"{address}/zh/table.html#?q=量化")
    expect(page.locator("#results tbody tr").first).to_contain_text("量化")
    page.context.close()


@needs_browser
def test_chinese_pages_keep_nobody_out_and_do_not_scroll_sideways(browser, browsed_site: Path, address: str) -> None:
    """In both themes; of the dark one the colours, as nothing else differs."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed").Axe()
    context = browser.new_context(viewport={"width": 375, "height": 800}, bypass_csp=True)
    page, found, complaints = context.new_page(), {}, []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for path in [path for path in every_kind(browsed_site) if "img-src" not in path and "--only-" not in path]:
        page.goto(f"{address}/zh/{path}")
        if page.evaluate("document.documentElement.scrollWidth") > 375:
            found[path, "wide"] = page.evaluate("document.documentElement.scrollWidth")
        for scheme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            page.emulate_media(color_scheme=scheme)
            for violation in axe.run(page, options=rules).response["violations"]:
                found[path, scheme, violation["id"]] = violation["nodes"][0]["html"][:200]
    context.close()
    assert (found, complaints) == ({}, [])
