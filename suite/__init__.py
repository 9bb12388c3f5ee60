"""Squeezemark: what compressing a multimodal model really costs, and really gains, on your hardware."""

__version__ = "0.1.0"
