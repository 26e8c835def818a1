"""What a notebook calls: its opening line, its settings, its last cell, a listing, a picker."""

import os
import random

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from practicals import profile, runtime
from practicals.publish import ledger, notebook

STEM = "3-adversarial"


@pytest.fixture(autouse=True)
def session(monkeypatch, tmp_path):
    """An empty repository, no rendering, and no notebook's shell to be changed."""
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    monkeypatch.setenv("PROFILE", "sample")
    monkeypatch.delenv("PROVENANCE_STAGING", raising=False)
    monkeypatch.setattr(notebook, "set_matplotlib_formats", lambda *a, **k: None)
    monkeypatch.setattr(notebook.warnings, "filterwarnings", lambda *a: None)
    facts = {"device": "cpu", "precision": "float32", "torch": "2"}
    monkeypatch.setattr(runtime, "describe", lambda: facts)
    ledger.published.cache_clear()
    with plt.rc_context():
        yield tmp_path


@pytest.mark.parametrize("name", list(profile.PROFILES))
def test_the_profile_is_the_arguments_and_every_process_follows(name):
    now = notebook.begin(STEM, name)
    assert now.profile == profile.get(name) and now.budget == profile.get(name).adversarial
    assert now.ledger.profile == now.profile and now.ledger.stem == STEM
    assert os.environ["PROFILE"] == name and profile.current() == now.profile
    assert now.real is (name != "sample")
    assert notebook.begin(STEM).profile.name == name, "what an earlier cell chose stays"


@pytest.mark.parametrize("name", ["sample", "lab", "full"])
def test_the_line_says_what_the_text_describes(name):
    line = repr(notebook.begin(STEM, name))
    assert line.startswith(f"Profile {name}, cpu, float32.")
    assert ("describe the published run" in line) is (name != "full")
    assert line in notebook.begin(STEM, name)._repr_html_()


def test_two_runs_draw_the_same_numbers():
    def numbers():
        notebook.begin(STEM)
        return random.random(), np.random.rand(), float(torch.rand(1))

    assert numbers() == numbers()


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"Did you mean '3-adversarial'\?"):
        notebook.begin("3-adversarial2")
    with pytest.raises(profile.UnknownProfile, match="Did you mean 'full'"):
        notebook.begin(STEM, "ful")


def test_settings_list_every_knob():
    now = notebook.begin(STEM)
    html = now.settings().data
    assert "<th>seed</th><td>0</td>" in html and "<th>torch</th><td>2</td>" in html
    assert html.count("<tr>") == 5 + len(vars(now.budget))
    assert f"<th>networks</th><td>{', '.join(map(str, now.budget.networks))}</td>" in html


def test_closing_writes_the_ledger_and_counts(session):
    now = notebook.begin(STEM)
    now.ledger.record("x", 0.5)
    assert now.close().startswith("1 numbers, 0 tables, 0 figures, 0 claims; 0.0 minutes")
    assert (session / f"build/sample/report/generated/{STEM}.json").is_file()


def test_a_listing_is_the_definition_itself():
    shown = notebook.show_source(runtime.device, runtime.fastest_dtype)
    assert "def device() -> torch.device:" in shown.data and shown.language == "python"
    assert "\n\ndef fastest_dtype(" in shown.data


def test_a_rendered_notebook_shows_the_published_state_alone(monkeypatch):
    drawn, knobs = [], []

    def draw(width=3):
        drawn.append(width)

    monkeypatch.setattr(ipywidgets, "interact", lambda f, **options: knobs.append(options))
    notebook.picker(draw, width=(1, 5))
    assert drawn == [3] and knobs == [{"width": (1, 5)}]
    monkeypatch.setenv("PROVENANCE_STAGING", "staging")
    notebook.picker(draw, width=(1, 5))
    assert drawn == [3, 3] and len(knobs) == 1
