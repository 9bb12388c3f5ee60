"""Text from strangers: what may be in it, and how it is shown on a terminal or in Markdown so that it stays text."""

import re
import unicodedata

LONGEST = 300

HIDDEN = frozenset("\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")
"""They change the order of what a reviewer sees, or cannot be seen: CVE-2021-42574, https://trojansource.codes."""

UNSEEN = re.compile(f"[\\x00-\\x08\\x0b\\x0e-\\x1f\\x7f-\\x9f\\ud800-\\udfff{''.join(sorted(HIDDEN))}]")
"""Those, control characters but tabs and line ends, and halves of a character (surrogates), which no file in UTF-8 can hold."""


def problem_of_text(data: bytes) -> str | None:
    """What is wrong with the bytes of a text file, or None: UTF-8, no control characters but tabs and line ends, nothing hidden."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"is not text in UTF-8 (byte {error.start})"
    found = hidden(text)
    return f"has the hidden character U+{ord(found):04X}" if found else None


def hidden(text: str) -> str | None:
    """The first character of a text that cannot be seen, or that moves what can; None without one."""
    found = UNSEEN.search(text)
    return found[0] if found else None


def shown(text: object, longest: int = LONGEST) -> str:
    """One line without control characters, cut where it is long: what a terminal or a log may show of a stranger's text."""
    plain = "".join("\ufffd" if letter in HIDDEN or unicodedata.category(letter) in {"Cc", "Cs", "Co"} else letter for letter in str(text))
    return plain if len(plain) <= longest else plain[: longest - 1] + "\u2026"


def markdown(text: object) -> str:
    """The same as Markdown that is nothing but text: what would be markup, a link or a mention is escaped."""
    escaped = shown(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", escaped)
    return escaped.replace("@", "&#64;").replace("://", "&#58;//")
