"""What compression methods share about a network that they change: where its units and blocks are, what matters in it, how to remove it.

Methods import from here; the suite itself does not. Importing the package brings nothing heavy, its modules import torch or onnx.
"""
