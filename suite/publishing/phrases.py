"""The sentences of a template, found where they stand: text between tags, and in the attributes that are read out or shown.

Nothing has to be marked, so that nothing can be forgotten (as Genshi's and Chameleon's translators do). A phrase is what lies between two
tags of blocks, two statements, or a tag and a statement. In its message an expression is a name in braces, an inline tag with attributes is
a number, `<1>…</1>`, and the content of `<code>` stays as it is. A translation is put back into the source of the template before it is
compiled: expressions stay expressions, and are escaped as ever.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

INLINE = frozenset({"a", "b", "em", "strong", "span", "abbr"})
VISIBLE = ("aria-label", "title", "placeholder", "alt", "data-title")
APART = re.compile(r'class="(?:under|state|dot|figure|mark-|verdict|key-|swatch|word|pick|first)')
"""Spans that are a line or a sign of their own, and not a part of the sentence in front of them."""

_JINJA = r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}"
_TAG = rf"</?[a-zA-Z](?:{_JINJA}|\"(?:{_JINJA}|[^\"])*\"|'(?:{_JINJA}|[^'])*'|[^>\"'])*>|<!.*?>"
_TOKEN = re.compile(rf"<code\b.*?</code>|<(style|script)\b.*?</\1>|{_JINJA}|{_TAG}", re.DOTALL)
_ATTRIBUTE = re.compile(rf"""(?<=\s)({"|".join(VISIBLE)})="((?:{_JINJA}|[^"])*)\"""", re.DOTALL)
_DESCRIPTION = re.compile(rf"""(?<=name="description" )(content)="((?:{_JINJA}|[^"])*)\"""", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]{2}|(?<![A-Za-z&])[A-Z](?![A-Za-z])|[.,;:]")
_NAME = re.compile(r"[A-Za-z_]\w*")
_PLAIN = frozenset({"value", "format", "length", "_n", "_"})
_STOP = re.compile(r"[\u3000-\u303f\uff00-\uffef]")
_WIDE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
"""Punctuation of Chinese and Japanese, which takes no space beside it; and with it their other characters, before which none is needed."""
_PUT = re.compile(r"<(/?)(\d+)>|\{(\w+)\}")

Found = Callable[[str], str]
"""What becomes of a message."""


def _called(source: str) -> str:
    """A name for an expression: the function that it calls, or the last name of what it shows."""
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", source.strip("{}- "))
    called = re.match(r"(?:\w+\.)*(\w+)\(", bare)
    if called is not None and called[1] not in ("format", "_n", "_"):
        return called[1]
    shown = re.search(r"format\((.*)\)", bare)
    names = [name for name in _NAME.findall(re.split(r"\||\bif\b", shown[1] if shown else bare)[0]) if name not in _PLAIN]
    return names[-1] if names else "value"


@dataclass
class _Phrase:
    """Pieces of one phrase in their order: (message, source)."""

    pieces: list[tuple[str, str]] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    tags: int = 0

    def text(self, source: str) -> None:
        self.plain.append(source)
        self.pieces.append((source, source))

    def held(self, name: str, source: str) -> None:
        """An expression or a code, by its name; another of the same name has a number behind it."""
        taken = [message for message, known in self.pieces if known != source]
        number = next(n for n in count(1) if f"{{{name}{n if n > 1 else ''}}}" not in taken)
        self.pieces.append((f"{{{name}{number if number > 1 else ''}}}", source))

    def tag(self, source: str) -> str:
        """An opening tag, by its number or as it is; returns how the tag that closes it is written in the message."""
        if re.fullmatch(r"<\w+>", source):
            self.pieces.append((source, source))
            return source.replace("<", "</")
        self.tags += 1
        self.pieces.append((f"<{self.tags}>", source))
        return f"</{self.tags}>"

    def replaced(self, translate: Found) -> str:
        whole = "".join(source for _, source in self.pieces)
        if not _WORD.search(re.sub(r"&\w+;|<[^>]*>", "", "".join(self.plain))):
            return whole
        message = "".join(text for text, _ in self.pieces)
        lead, tail = message[: len(message) - len(message.lstrip())], message[len(message.rstrip()) :]
        bare = re.sub(r"\s+", " ", message.strip())
        found = translate(bare)
        if found == bare:
            return whole
        known = {text: source for text, source in self.pieces if text != source}
        if _WIDE.match(found):
            lead = "\n" * ("\n" in lead)
        if _STOP.match(found[-1]):
            tail = tail.strip(" ")
        return lead + _PUT.sub(lambda put: known[put[0]], found) + tail


def translated(source: str, translate: Found) -> str:
    """The source of a template with each message replaced by what `translate` makes of it."""
    return "".join(_pieces(source, translate))


def messages(source: str) -> list[str]:
    """Each message of a template, in its order."""
    found: list[str] = []

    def keep(message: str) -> str:
        found.append(message)
        return message

    translated(source, keep)
    return found


def _pieces(source: str, translate: Found) -> Iterator[str]:
    """Tags and statements as they are, and phrases between them; a phrase ends where no inline tag goes on."""
    run: list[str] = []
    place = 0
    for found in _TOKEN.finditer(source):
        if found.start() > place:
            run.append(source[place : found.start()])
        place = found.end()
        if _breaks(found[0]):
            yield from _run(run, translate)
            yield _attributes(found[0], translate)
            run = []
        else:
            run.append(found[0])
    yield from _run([*run, source[place:]], translate)


def _breaks(token: str) -> bool:
    if token.startswith("{"):
        return not token.startswith("{{")
    name = re.match(r"</?([a-zA-Z]\w*)", token)
    return name is None or (name[1].lower() not in INLINE and name[1] != "code")


def _run(tokens: list[str], translate: Found) -> Iterator[str]:
    """A run of text, expressions and inline tags, as one phrase, or as several where the tags in it stand for themselves."""
    pairs = _pairs(tokens)
    ends = _ends(tokens, pairs)
    phrase, closing = _Phrase(), dict[int, str]()
    for place, token in enumerate(tokens):
        if place in ends:
            yield from (phrase.replaced(translate), _attributes(token, translate))
            phrase = _Phrase()
        elif place in closing:
            phrase.pieces.append((closing[place], token))
        elif place in pairs:
            closing[pairs[place]] = phrase.tag(_attributes(token, translate))
        elif token.startswith("{{"):
            phrase.held(_called(token), token)
        elif token.startswith("<code>") and "{" not in token:
            phrase.pieces.append((token, token))
        elif token.startswith("<"):
            phrase.held("code", token)
        else:
            phrase.text(token)
    yield phrase.replaced(translate)


def _ends(tokens: list[str], pairs: dict[int, int]) -> set[int]:
    """The places of the inline tags of a run at which a phrase ends: without a partner, apart, around one of these, or all there are
    where there is no text beside them."""
    ends = {place for place, token in enumerate(tokens) if token.startswith("<") and _is_tag(token) and place not in pairs}
    ends |= {place for place, other in pairs.items() if APART.search(tokens[min(place, other)])}
    ends |= {place for place, other in pairs.items() if any(min(place, other) < end < max(place, other) for end in ends)}
    depth, outside = 0, []
    for place, token in enumerate(tokens):
        if place in pairs:
            depth += 1 if pairs[place] > place else -1
        elif depth == 0 and not token.startswith(("<", "{")):
            outside.append(token)
    return ends if re.search(r"[A-Za-z]{2}", re.sub(r"&\w+;", "", "".join(outside))) else ends | set(pairs)


def _is_tag(token: str) -> bool:
    return not token.startswith("<code") or not token.endswith("</code>")


def _pairs(tokens: list[str]) -> dict[int, int]:
    """Place of an inline tag -> place of the tag that it belongs to, both ways."""
    open_tags: list[tuple[str, int]] = []
    found: dict[int, int] = {}
    for place, token in enumerate(tokens):
        name = re.match(r"<(/?)(\w+)", token)
        if name is None or not _is_tag(token):
            continue
        if not name[1]:
            open_tags.append((name[2], place))
        elif open_tags and open_tags[-1][0] == name[2]:
            start = open_tags.pop()[1]
            found |= {start: place, place: start}
    return found


def _attributes(tag: str, translate: Found) -> str:
    """A tag whose visible attributes are translated."""
    if tag.startswith(("</", "<!", "<code", "<script", "<style")):
        return tag
    for pattern in (_ATTRIBUTE, _DESCRIPTION):
        tag = pattern.sub(lambda found: f'{found[1]}="{"".join(_pieces(found[2], translate))}"', tag)
    return tag
