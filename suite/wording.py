"""Sentences that are made of a pattern and values, and can be said in another language later: in English they are plain strings."""

from typing import Any


class Words(str):
    """An English sentence that remembers how it was made. message: its pattern, with names in braces; values: what was put in.

    `str()` of it is a plain string, as some encoders of JSON insist on.
    """

    message: str
    values: dict[str, Any]


def say(message: str, **values: Any) -> Words:
    """The sentence. Its message is found by `scripts/messages`, so it must be written out where this is called."""
    words = Words(message.format(**values))
    words.message, words.values = message, values
    return words
