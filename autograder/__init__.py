"""A homework kit for PyTorch courses that grades itself."""

__version__ = "0.1.0"
