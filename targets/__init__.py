"""The targets (hardware + runtime + settings): one folder each, a light card beside a heavy `runner.py`."""
