"""Kept networks draw what they drew; ONNX draws the same; bad files and wishes are refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from tests.gan.small import recipe
from tests.peers import peer

from practicals.gan import kept
from practicals.gan.__main__ import main
from practicals.gan.networks import build
from practicals.gan.study import Run
from practicals.networks import onnx_file

LIVELY = recipe(design={"condition": "both", "init": "torch"})


@pytest.fixture
def pair(tmp_path):
    G, D = build(LIVELY.design, 3)
    empty = np.zeros(0)
    found = Run(LIVELY, 3, *[empty] * 3, {}, empty, empty, G.state_dict(), D.state_dict())
    kept.save_pair(tmp_path / "pair.pt", found)
    return tmp_path / "pair.pt", G.eval(), D.eval()


def test_kept_networks_are_the_same_but_for_half_precision(pair):
    file, G, D = pair
    again_g, again_d = kept.load_pair(file)
    z, y = torch.randn(6, 5), torch.arange(6)
    x = G(z, y)
    assert torch.allclose(again_g(z, y), x, atol=2e-3)
    assert torch.allclose(again_d(x, y), D(x, y), atol=2e-2)
    assert not again_g.training and not again_d.training


def test_a_class_is_drawn_by_a_seed(pair):
    G = kept.load_pair(pair[0])[0]
    a, b, c, d = (kept.make(G, *ask) for ask in ((7, 4, 0), (7, 4, 0), (7, 4, 1), (3, 4, 0)))
    assert a.shape == (4, 32, 32) and np.array_equal(a, b)
    assert not np.array_equal(a, c) and not np.array_equal(a, d)
    every = kept.make(G, None, 12, 0)
    assert np.array_equal(every[3], kept.make(G, 3, 12, 0)[3])


def test_a_sheet_holds_every_digit():
    digits = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 32, 32), np.uint8)
    whole = kept.sheet(digits)
    assert whole.shape == (66, 100)
    assert [whole[y, x] for y in (0, 34) for x in (0, 34, 68)] == [0, 1, 2, 3, 4, 255]


def test_the_command_writes_a_picture(pair, tmp_path, capsys):
    out = tmp_path / "sevens.png"
    assert (
        main(["sample", "--digit", "7", "--n", "4", "--out", str(out), "--model", str(pair[0])])
        == 0
    )
    assert Image.open(out).size == (66, 66) and "4 digits" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wish, says",
    [
        (["--n", "0", "--out", "a.png"], "at least one"),
        (["--out", "a.txt"], "ends in .png"),
        (["--out", "a"], "ends in .png"),
    ],
)
def test_bad_wishes_say_why(pair, tmp_path, monkeypatch, capsys, wish, says):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", *wish, "--model", str(pair[0])]) == 1
    assert says in capsys.readouterr().err


def test_a_digit_beyond_nine_is_no_choice(pair):
    with pytest.raises(SystemExit):
        main(["sample", "--digit", "10", "--out", "a.png"])
    with pytest.raises(ValueError, match="0 to 9"):
        kept.make(pair[1], 10, 1, 0)


def test_damaged_and_foreign_files_are_refused(pair, tmp_path, capsys):
    content = bytearray(pair[0].read_bytes())
    content[len(content) // 2] ^= 255
    bad, foreign, numbers = (tmp_path / f"{name}.pt" for name in ("bad", "foreign", "numbers"))
    bad.write_bytes(content)
    torch.save({"weights": torch.zeros(3)}, foreign)
    whole = torch.load(pair[0], weights_only=True)
    whole["G"]["project.weight"][0, 0] = torch.nan
    torch.save(whole, numbers)
    for file in (bad, foreign, numbers):
        with pytest.raises(ValueError, match="damaged, or no pair"):
            kept.load_pair(file)
    assert main(["sample", "--out", "a.png", "--model", str(tmp_path / "none.pt")]) == 1
    assert "none.pt" in capsys.readouterr().err


def test_without_a_kept_pair_the_command_says_what_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PRACTICALS_ROOT", str(tmp_path))
    assert main(["sample", "--out", "a.png"]) == 1
    assert "PROFILE=full" in capsys.readouterr().err


def test_onnx_draws_the_same_for_any_number(pair, tmp_path):
    peer("onnxscript")
    runtime = peer("onnxruntime")
    kept.export(pair[1], tmp_path / "g.onnx")
    assert b"site-packages" not in (tmp_path / "g.onnx").read_bytes(), "a folder of this machine"
    session = runtime.InferenceSession(str(tmp_path / "g.onnx"))
    for n in (1, 7):
        z, y = torch.randn(n, 5), torch.arange(n)
        (found,) = session.run(None, {"z": z.numpy(), "digit": y.numpy()})
        assert np.abs(found - pair[1](z, y).detach().numpy()).max() < 1e-5
    assert not (tmp_path / "g.onnx.data").exists()


def test_without_onnx_the_export_says_what_to_install(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "can_export", lambda: False)
    with pytest.raises(ImportError, match=r"requirements-dev\.txt"):
        kept.export(pair[1], tmp_path / "g.onnx")
