"""The reference models: one folder each."""

PADDING = 0
"""The token id that pads a text; attention does not look at it. Here, because the data need it without torch."""
