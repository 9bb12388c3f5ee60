"""Templates that are compiled for many pages show what jinja2's own would show, escaped as ever."""

from functools import partial
from pathlib import Path

import jinja2
import numpy as np
import pytest
from markupsafe import Markup, escape
from site_cards import method_cards, model_cards, target_cards
from site_store import PLANS, build

from suite.publishing.plates import Plates, shown
from suite.render import render
from suite.wording import say


class Marked:
    def __html__(self) -> str:
        return "<i>marked</i>"

    def __str__(self) -> str:
        return "<i>not marked</i>"


class Named(str):
    def __html__(self) -> str:
        return "<u>"


VALUES = [
    *("plain", "", "<b>", "a & b", 'in "quotes"', "it's", "‘é中’", "\ud800"),
    *(Markup("<b>&amp;</b>"), Named("x"), say("{a} smaller", a="<b>")),
    *(3, -1, 10**30, True, None, 1.5, float("nan"), float("-inf"), np.float64(0.25), np.int32(7), np.bool_(True), np.str_("<b>")),
    *(("<", ">"), {"<a>": "'"}, Marked(), Path("a<b"), b"<b>", ValueError("<b>")),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_shown_is_escaped_as_jinja2_escapes_it(value: object) -> None:
    assert str(shown(value)) == str(escape(value))
    for environment in (Plates(autoescape=True), jinja2.Environment(autoescape=True)):
        assert environment.from_string("{{ value }}<{{ [value][0] }}>").render(value=value) == f"{escape(value)}<{escape(value)}>"


def test_what_is_not_there_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        Plates(autoescape=True, undefined=jinja2.StrictUndefined).from_string("{{ nothing }}").render()


TEMPLATES = {
    "macros.html": "{% macro cell(value, name='<n>') %}<td title=\"{{ name }}\">{{ value }}{{ caller() if caller }}</td>{% endmacro %}"
    "{% macro many() %}{{ varargs|join(',') }} {{ kwargs|dictsort }}{% endmacro %}",
    "part.html": "{{ outer }} {{ inner is defined }} {{ looked('outer') }}",
    "page.html": "{% import 'macros.html' as macros %}{% from 'macros.html' import cell %}{% set outer = '<outer>' %}"
    "{% for inner in ['<', 2, 2.5] %}{{ macros.cell(inner) }}{{ cell(inner, name=loop.index) }}{{ looked('inner') }}"
    "{% include 'part.html' %}{{ ', ' if not loop.last }}{% endfor %}{% call macros.cell('a') %}<p>{{ outer }}{% endcall %}"
    "{{ macros.many(1, '<', three=3) }}{{ '{:,}'.format(12345) }}{{ '<{}>'.format(1) }}{{ {'a': '<'}.get('a') }}{{ plain('<', by=2) }}"
    "{% autoescape false %}{{ outer }}{% endautoescape %}{{ outer|upper }}{{ '<%s>'|format(1) }}",
}


def test_pages_are_those_of_a_plain_environment() -> None:
    @jinja2.pass_context
    def looked(context, name):
        return context.get(name, "none")

    def plain(text, by):
        return text * by

    made = []
    for kind in (jinja2.Environment, Plates):
        environment = kind(loader=jinja2.DictLoader(TEMPLATES), autoescape=True)
        environment.globals |= {"looked": looked, "plain": plain}
        made += [environment.get_template("page.html").render(), environment.get_template("page.html").render()]
    assert "&lt;outer&gt; True" in made[0]
    assert made == [made[0]] * 4


def test_a_site_is_that_of_a_plain_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = build(tmp_path / "results", items=80, plans=PLANS[:4])
    sites = []
    for kind in (Plates, partial(jinja2.Environment, auto_reload=False)):
        monkeypatch.setattr("suite.publishing.press.Plates", kind)
        out = tmp_path / f"site-{len(sites)}"
        render(store, model_cards(), method_cards(), target_cards(), out)
        sites.append({path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.html")})
    assert len(sites[0]) > 30
    assert sites[0] == sites[1]
