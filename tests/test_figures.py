"""Figures: legible at print size, and files whose bytes do not change from run to run."""

import io

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from practicals import figures


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        figures.style()
        yield
    plt.close("all")


def draw():
    fig, ax = plt.subplots()
    ax.plot([0, 1], label="λ = 1")
    ax.legend()
    return fig


def opened(content):
    return Image.open(io.BytesIO(content))


def pixels(content):
    return np.asarray(opened(content).convert("RGB")).astype(int)


@pytest.mark.parametrize("suffix", ["pdf", "png", "jpg"])
def test_the_same_figure_gives_the_same_bytes(suffix):
    fig = draw()
    first, again = (figures.as_bytes(fig, suffix, "sample") for _ in range(2))
    assert first == again == figures.as_bytes(draw(), suffix, "sample")
    other = draw()
    other.axes[0].set_xlabel("x")
    assert figures.as_bytes(other, suffix, "sample") != first
    assert not [word for word in (b"Date", b"Creator", b"Producer", b"Software") if word in first]


@pytest.mark.parametrize(
    ("suffix", "kind", "dpi"), [("png", "PNG", figures.DPI), ("jpg", "JPEG", figures.RASTER_DPI)]
)
def test_a_picture_is_printed_at_its_own_size(suffix, kind, dpi):
    image = opened(figures.as_bytes(draw(), suffix))
    assert image.format == kind and np.allclose(image.info["dpi"], dpi, atol=0.1)
    assert image.size == (round(figures.TEXT_WIDTH * dpi), round(3.2 * dpi))
    assert dpi >= 150, "sharp in print"


def test_a_pdf_is_as_wide_as_the_text_and_keeps_its_letters():
    content = figures.as_bytes(draw(), "pdf")
    assert content.startswith(b"%PDF") and b"/Type3" not in content
    assert f"/MediaBox [ 0 0 {figures.TEXT_WIDTH * 72:g} 230.4 ]".encode() in content


def test_letters_are_at_least_eight_points():
    texts = ("font.size", "axes.titlesize", "axes.labelsize", "legend.fontsize")
    ticks = ("xtick.labelsize", "ytick.labelsize")
    assert min(plt.rcParams[name] for name in (*texts, *ticks)) >= 8


def test_the_mark_sits_in_the_corner_and_leaves_the_figure():
    fig = draw()
    clean, marked = (pixels(figures.as_bytes(fig, "png", mark)) for mark in ("", "sample"))
    assert fig.texts == [] and clean.shape == marked.shape
    rows, columns = np.nonzero((np.abs(clean - marked) > 40).any(axis=2))
    height, width = clean.shape[:2]
    assert len(rows) and rows.min() > 0.9 * height and columns.min() > 0.9 * width


def test_a_failure_leaves_the_figure_without_the_mark(monkeypatch):
    fig = draw()

    def full(*args, **kwargs):
        raise OSError("no space")

    monkeypatch.setattr(fig, "savefig", full)
    with pytest.raises(OSError, match="no space"):
        figures.as_bytes(fig, "pdf", "sample")
    assert fig.texts == []


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_the_palette_survives_the_file(suffix):
    fig, ax = plt.subplots(figsize=(2, 2))
    ax.set_axis_off()
    ax.imshow([[matplotlib.colors.to_rgb(c) for c in figures.PALETTE[:4]]], aspect="auto")
    exact = io.BytesIO()
    fig.savefig(exact, dpi=figures.RASTER_DPI if suffix == "jpg" else figures.DPI)
    error = np.abs(pixels(figures.as_bytes(fig, suffix)) - pixels(exact.getvalue()))
    assert error.mean() < 4 and np.median(error) <= 2


def test_an_animation_repeats_its_frames_in_order():
    frames = [np.full((8, 6, 3), level, dtype=np.uint8) for level in (0, 128, 255)]
    gif = opened(figures.animation(frames, frame_ms=70))
    assert gif.n_frames == 3 and gif.size == (6, 8) and gif.info["loop"] == 0
    for number, frame in enumerate(frames):
        gif.seek(number)
        assert gif.info["duration"] == 70
        assert np.abs(np.asarray(gif.convert("RGB")).astype(int) - frame).max() <= 8
    assert figures.animation(frames) == figures.animation(frames) != figures.animation(frames[:2])


def test_an_animation_keeps_its_colours():
    ramp = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8)
    frame = np.stack([ramp, ramp[::-1], ramp.T], axis=2)
    gif = opened(figures.animation([frame, frame[::-1]]))
    assert np.abs(np.asarray(gif.convert("RGB")).astype(int) - frame).mean() < 4


def test_stretch_fills_each_map_on_its_own():
    ramp = np.arange(4.0).reshape(2, 2)
    found = figures.stretch(np.stack([ramp - 9, 10 * ramp, np.full((2, 2), 5.0)]))
    np.testing.assert_allclose(found, [ramp / 3, ramp / 3, 0 * ramp])


@pytest.mark.parametrize(("count", "shape"), [(1, (2, 3)), (3, (5, 7)), (5, (5, 11)), (9, (8, 11))])
def test_a_mosaic_is_ruled_in_white_and_loses_no_tile(count, shape):
    tiles = np.random.default_rng(0).random((count, 2, 3)).astype(np.float32) / 2
    grid = figures.mosaic(tiles, gap=1)
    assert grid.shape == shape
    np.testing.assert_allclose(np.sort(grid[grid < 1]), np.sort(tiles.ravel()))
    np.testing.assert_array_equal(grid[:2, :3], tiles[0])
    if count > 1:
        np.testing.assert_array_equal(grid[:2, 4:7], tiles[1])
        assert (grid[:, 3] == 1).all() and (grid[2] == 1).all(), "a white rule"
    assert figures.mosaic(np.zeros((4, 2, 3, 3)), 2).shape == (6, 8, 3)


def test_examples_leave_no_empty_frame():
    fig = figures.examples([np.zeros((4, 4, 3))] * 7, list("abcdefg"))
    assert [ax.get_title() for ax in fig.axes] == [*"abcdefg", "", "", ""]
    assert not any(ax.axison for ax in fig.axes)
