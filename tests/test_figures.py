"""Figures: the registry, the stamp, and files that do not change from run to run."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from practicals import catalogue, figures
from practicals.catalogue import ANIMATED, BOTH, RASTER


@pytest.fixture(autouse=True)
def registry(monkeypatch, tmp_path):
    """A repository in ``tmp_path`` whose one notebook registers three figures."""
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    monkeypatch.setenv("PROFILE", "full")
    monkeypatch.setitem(catalogue.FIGURES_OF, "9-x", {"a": BOTH, "maps": RASTER, "film": ANIMATED})
    for name in ("a", "maps", "film"):
        monkeypatch.setitem(figures.FIGURES, f"9-x-{name}", "9-x")
    with plt.rc_context():
        figures.style()
        yield tmp_path
    plt.close("all")


def draw():
    fig, ax = plt.subplots()
    ax.plot([0, 1], label="λ = 1")
    ax.legend()
    return fig


def test_registry_names_a_notebook_per_figure():
    assert figures.FIGURES["9-x-a"] == "9-x"
    assert figures.formats_of("9-x-maps") == ("png",)
    expected = ["9-x-a.pdf", "9-x-a.png", "9-x-maps.png", "9-x-film.gif", "9-x-film.png"]
    assert [f.name for f in catalogue.files_of("9-x", figures.paths.root())] == expected


@pytest.mark.parametrize("profile", ["full", "sample"])
def test_save_writes_the_registered_formats_with_a_stamp(registry, monkeypatch, profile):
    monkeypatch.setenv("PROFILE", profile)
    monkeypatch.setattr(figures.fingerprint, "of_stem", lambda stem, name: f"{len(stem)}{name}")
    figures.save(draw(), "9-x-a")
    folder = registry / ("figures" if profile == "full" else "build/sample/figures")
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["9-x-a.pdf", "9-x-a.png"]
    for file in files:
        assert figures.read_stamp(file) == {"profile": profile, "code": f"3{profile}"}


def test_saved_bytes_are_the_same_each_time(registry):
    def both():
        figures.save(draw(), "9-x-a")
        return [(registry / f"figures/9-x-a.{suffix}").read_bytes() for suffix in BOTH]

    assert both() == both()


def test_sample_figures_are_marked_and_the_figure_is_not(registry, monkeypatch):
    fig = draw()
    figures.save(fig, "9-x-maps")
    monkeypatch.setenv("PROFILE", "sample")
    figures.save(fig, "9-x-maps")
    assert fig.texts == []
    files = ("figures/9-x-maps.png", "build/sample/figures/9-x-maps.png")
    clean, marked = (np.asarray(Image.open(registry / file)) for file in files)
    assert clean.shape == marked.shape == (480, 945, 3)
    changed = np.argwhere((clean != marked).any(axis=2))
    assert len(changed) and (changed > [450, 880]).all(), "the mark sits in the corner"


def test_animation_carries_the_stamp(registry):
    frames = [np.full((8, 8, 3), level, dtype=np.uint8) for level in (0, 128, 255)]
    figures.save_frames(frames, "9-x-film")
    path = registry / "figures/9-x-film.gif"
    assert Image.open(path).n_frames == 3
    assert figures.read_stamp(path) == {"profile": "full", "code": "unknown"}
    with pytest.raises(ValueError, match="not as a gif"):
        figures.save_frames(frames, "9-x-a")


def test_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(figures.UnknownFigure, match=r"Did you mean '9-x-maps'.*catalogue.py"):
        figures.save(draw(), "9-x-map")


def test_formats_must_agree_with_the_registry():
    with pytest.raises(ValueError, match="registered as"):
        figures.save(draw(), "9-x-a", formats=("png",))


def test_an_interrupted_save_leaves_the_old_file(registry, monkeypatch):
    figures.save(draw(), "9-x-maps")
    before = (registry / "figures/9-x-maps.png").read_bytes()

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(figures.Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        figures.save(draw(), "9-x-maps")
    assert [f.name for f in (registry / "figures").iterdir()] == ["9-x-maps.png"]
    assert (registry / "figures/9-x-maps.png").read_bytes() == before


def test_a_heavy_figure_warns(monkeypatch):
    monkeypatch.setattr(figures, "HEAVY", 1000)
    with pytest.warns(UserWarning, match="9-x-maps.png is .* MB"):
        figures.save(draw(), "9-x-maps")


def test_a_plain_picture_has_no_stamp(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "x.png")
    (tmp_path / "x.pdf").write_bytes(b"%PDF-1.4")
    assert figures.read_stamp(tmp_path / "x.png") == figures.read_stamp(tmp_path / "x.pdf") == {}
