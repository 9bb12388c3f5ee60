"""The languages of the site: English as it stands in templates, tables and scripts, and every other from one message catalogue (gettext).

Catalogues are `site/locales/<locale>/LC_MESSAGES/squeezemark.po`; they are compiled when a site is built, and what has no translation stays
English. `scripts/messages` keeps them up to date, and a test holds them against the sources.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from gettext import c2py
from pathlib import Path
from typing import Any

import jinja2
from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

from suite.publishing.phrases import translated
from suite.publishing.vocabulary import spoken
from suite.wording import Words

DOMAIN = "squeezemark"


def catalogues(sources: Path) -> list[Path]:
    """The catalogue of each language but English, in the order of their locales. `sources`: the folder with templates and assets."""
    return sorted((sources / "locales").glob(f"*/LC_MESSAGES/{DOMAIN}.po"))


def read(path: Path) -> Catalog:
    """A catalogue, its locale that of its folder."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name, domain=DOMAIN)


@dataclass(frozen=True)
class Language:
    """tag: of BCP 47. folder: where its pages lie, below the root of the site. name: in the language itself. catalogue: none of English."""

    tag: str = "en"
    folder: str = ""
    name: str = "English"
    catalogue: Catalog = field(default_factory=Catalog, repr=False)

    @classmethod
    def of(cls, path: Path) -> "Language":
        """The language of a catalogue."""
        locale = Locale.parse(path.parent.parent.name)
        return cls(str(locale).replace("_", "-"), f"{locale.language}/", str(locale.get_language_name(str(locale))), read(path))

    @property
    def is_english(self) -> bool:
        """Whether nothing needs to be translated."""
        return not self.folder

    @cached_property
    def forms(self) -> Mapping[str, tuple[str, ...]]:
        """Message -> its translations: one, or one for each plural."""
        found = {}
        for message in self.catalogue:
            texts = message.string if isinstance(message.string, tuple) else (message.string,)
            if message.id and all(texts) and not message.fuzzy:
                found[_first(message.id)] = tuple(map(str, texts))
        return found

    @cached_property
    def plural(self) -> Callable[[int], int]:
        """A count -> which of the forms says it."""
        return c2py(self.catalogue.plural_expr) if not self.is_english else lambda count: int(count != 1)

    def message(self, text: str) -> str:
        """A message in this language; what has no translation stays as it is."""
        return self.forms.get(text, (text,))[0]

    def say(self, text: str, **values: Any) -> Markup:
        """A message that a template names, with values, which are escaped."""
        return Markup(self.message(text).format(**{name: escape(value) for name, value in values.items()}))

    def count(self, one: str, many: str, n: int) -> Markup:
        """A message that depends on a count, `{n}`."""
        forms = self.forms.get(one, (one, many))
        return Markup(forms[self.plural(n)].format(n=f"{n:,}"))

    def words(self, said: Any) -> Any:
        """What a table of ours or `say` says; anything else stays as it is, and is escaped where it is shown."""
        if isinstance(said, Words):
            return self.message(said.message).format(**{name: self.words(value) for name, value in said.values.items()})
        return self.message(said) if isinstance(said, str) else said

    def filters(self, shared: Mapping[str, Any]) -> dict[str, Any]:
        """The filters of the templates, those that give words in this language."""
        spoken = {name: partial(self._spoken, shared[name]) for name in ("metric_title", "metric_help", "instruction_class")}
        return {**shared, **spoken, "tr": self.words, "status": lambda status: self.words(status.replace("_", " "))}

    def _spoken(self, of: Callable[[Any], Any], value: Any) -> Any:
        return self.words(of(value))

    def globals(self) -> dict[str, Any]:
        """What templates call. foreign: for an element whose words come from a card or a record, which are English."""
        foreign = Markup("" if self.is_english else ' lang="en"')
        return {"_": self.say, "_n": self.count, "language": self, "foreign": foreign}

    def loader(self, folder: Path) -> jinja2.BaseLoader:
        """Templates in this language: their phrases are translated before they are compiled."""
        return _Translated(folder, self.message) if not self.is_english else jinja2.FileSystemLoader(folder)

    def script(self) -> str:
        """The messages of the site's scripts, as a script of data."""
        tables = spoken()
        said = {
            text: self.message(_first(message.id))
            for message in self.catalogue
            if message.id and (message.id in tables or any(place.endswith(".js") for place, _ in message.locations))
            for text in ((message.id,) if isinstance(message.id, str) else message.id)
        }
        return f"self.squeezemarkWords = {json.dumps(dict(sorted(said.items())), ensure_ascii=False, separators=(',', ':'))};\n"


def _first(message: str | Sequence[str]) -> str:
    """A message, or the first of those that depend on a count."""
    return message if isinstance(message, str) else message[0]


class _Translated(jinja2.FileSystemLoader):
    def __init__(self, folder: Path, translate: Callable[[str], str]) -> None:
        super().__init__(folder)
        self.translate = translate

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, name, fresh = super().get_source(environment, template)
        return translated(source, self.translate), name, fresh


ENGLISH = Language()


def languages(sources: Path) -> tuple[Language, ...]:
    """English first."""
    return (ENGLISH, *map(Language.of, catalogues(sources)))
