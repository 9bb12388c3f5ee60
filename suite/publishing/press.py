"""Pages from templates: in every language, with what all pages share."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from suite import __version__
from suite.charts import FAMILY_SHAPES, SHAPES
from suite.comparable import is_local
from suite.contracts import BASELINE
from suite.filters import FILTERS
from suite.heat import SHADES
from suite.pages import MARGIN, Cards
from suite.provenance import WORDS
from suite.publishing.languages import Language, languages
from suite.slices import GROUPS


def sources() -> Path:
    """The folder with templates, assets and catalogues: beside the package when installed, at the root of the repository otherwise."""
    here = Path(__file__).parents[1]
    installed = here / "_site"
    return installed if installed.is_dir() else here.parent / "site"


@dataclass(frozen=True)
class Press:
    """Templates, compiled once for all pages of a build. more: what else every page is given. languages: English, and every other."""

    cards: Cards
    more: Mapping[str, Any] = field(default_factory=dict)
    languages: tuple[Language, ...] = field(default_factory=lambda: languages(sources()))

    def prepare(self) -> None:
        """Compiles all templates, so that processes that are forked now need not."""
        for templates in self.templates.values():
            for name in templates.list_templates(["html"]):
                templates.get_template(name)

    def pages(self, path: str, template: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """A page in every language: where it will lie, below the root of the site, and its text. `path`: where the English one does."""
        for language in self.languages:
            place = language.folder + path
            base = "../" * place.count("/")
            given = {"root": "../" * path.count("/"), "base": base, "path": path, "languages": self.languages, **values}
            yield place, self.templates[language.tag].get_template(template).render(given)

    def parts(self, path: str, template: str, values: Mapping[str, Any]) -> dict[str, Markup]:
        """Tag of a language -> what several pages in one folder have in common, of which `path` is one."""
        found = zip(self.languages, self.pages(path, template, values), strict=True)
        return {language.tag: Markup(text) for language, (_, text) in found}  # it was escaped when it was made

    @cached_property
    def plotly(self) -> str:
        """Plotly's own script."""
        from plotly.offline import get_plotlyjs

        return str(get_plotlyjs())

    @cached_property
    def templates(self) -> Mapping[str, jinja2.Environment]:
        """Tag of a language -> its templates."""
        return {language.tag: self._templates(language) for language in self.languages}

    def _templates(self, language: Language) -> jinja2.Environment:
        templates = jinja2.Environment(
            loader=language.loader(sources() / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        templates.filters |= language.filters(FILTERS)
        templates.tests["local"] = is_local
        templates.globals |= {
            "cards": self.cards,
            "shapes": SHAPES,
            "family_shapes": FAMILY_SHAPES,
            "version": __version__,
            "margin": MARGIN,
            "shades": SHADES,
            "group_limit": GROUPS,
            "baseline_method": BASELINE,
            "tier_words": WORDS,
            "plotly_styles": sorted(set(re.findall(r'getElementById\("([0-9a-f]{64})"\)', self.plotly))),
            "notes": {},
            **language.globals(),
            **self.more,
        }
        return templates
