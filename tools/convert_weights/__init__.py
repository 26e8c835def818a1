"""Weights that no one serves as the package reads them, converted into ``.pth`` files."""
