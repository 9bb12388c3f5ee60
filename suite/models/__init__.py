"""The reference models: one folder each."""
