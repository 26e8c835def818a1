"""Packages to compare with; where one is absent, only the tests that need it skip, and loudly."""

import importlib
import warnings

import pytest


def peer(name, at_import=False):
    """Return the module ``name``; where it is absent, skip the test and warn in the summary.

    ``at_import`` is for a file of which every test needs the module.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        text = f"{name} is not installed, so nothing was compared with it: run make setup"
        warnings.warn(text, stacklevel=2)
        pytest.skip(text, allow_module_level=at_import)
