"""The compression methods: one folder each, a light card beside a heavy `apply.py`."""
