"""Networks as files, the folder of a user, and the command line."""

import pathlib
import runpy
import shutil
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.adaptation.small import QUICK

from practicals.adaptation import kept, scores, study
from practicals.adaptation.__main__ import main


@pytest.fixture(scope="module")
def outcome(domains):
    return study.train(domains, replace(QUICK, steps=150), 0)


@pytest.fixture
def file(outcome, tmp_path):
    made = tmp_path / "models" / "net.pt"
    kept.save_model(made, outcome)
    return made


@pytest.fixture
def folder(domains, tmp_path):
    return write_folder(tmp_path / "digits", domains.target_test, 28)


def write_folder(folder, digits, side, n=60):
    """Write pictures and their list as a user has them; in 32 pixels digits are not scaled."""
    folder.mkdir()
    edge = (side - 28) // 2
    lines = []
    for i in range(n):
        pixels = digits.x[i].permute(1, 2, 0).numpy()
        padded = np.pad(pixels, ((edge, edge), (edge, edge), (0, 0)), mode="edge")
        Image.fromarray(padded).save(folder / f"{i}.png")
        lines.append(f"{i}.png {digits.y[i]}")
    (folder / "labels.txt").write_text("\n".join(lines))
    return folder


def test_a_kept_network_is_small_and_reads_as_before(domains, file, outcome):
    x = domains.target_test.x[:200]
    before = scores.probabilities(outcome.net(), x)
    after = scores.probabilities(kept.load_model(file), x)
    assert (before - after).abs().max() < 0.02
    assert file.stat().st_size < 1_000_000


def test_the_same_network_gives_the_same_file(file, outcome, tmp_path):
    kept.save_model(tmp_path / "again.pt", outcome)
    assert file.read_bytes() == (tmp_path / "again.pt").read_bytes()


def test_the_networks_of_the_repository_can_be_read():
    for file in kept.models_dir(kept.paths.root()).glob("adaptation-*.pt"):
        kept.load_model(file)


def state_without(name):
    return lambda state: state.pop(name)


def rename(state):
    state["label_head.9.weight"] = state.pop("label_head.0.weight")


def spoil(state):
    state["label_head.0.weight"][3, 5] = torch.nan


def widen(state):
    state["label_head.0.weight"] = torch.zeros(128, 5).half()


@pytest.mark.parametrize(
    "change",
    [dict.clear, state_without("body.0.bias"), rename, spoil, widen],
    ids=["empty", "lacking", "renamed", "not a number", "another shape"],
)
def test_weights_that_are_not_right_are_refused_with_the_file(file, change):
    found = torch.load(file, weights_only=True)
    change(found["state"])
    torch.save(found, file)
    with pytest.raises(ValueError, match=r"net\.pt is damaged"):
        kept.load_model(file)


def test_64_altered_bytes_are_noticed(file):
    with zipfile.ZipFile(file) as parts:
        largest = max(parts.infolist(), key=lambda part: part.file_size)
    content = bytearray(file.read_bytes())
    start = largest.header_offset + largest.file_size // 2
    content[start : start + 64] = bytes(byte ^ 0x40 for byte in content[start : start + 64])
    file.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        kept.load_model(file)


@pytest.mark.parametrize("content", ["cut", "text", "empty", "foreign", "other zip"])
def test_a_corrupt_or_foreign_network_is_named_on_one_line(file, folder, capsys, content):
    if content == "other zip":
        with zipfile.ZipFile(file, "w") as parts:
            parts.writestr("hello.txt", "hello")
    elif content == "foreign":
        torch.save({"weight": torch.ones(3)}, file)
    else:
        whole = file.read_bytes()
        file.write_bytes({"cut": whole[: len(whole) // 2], "text": b"hello", "empty": b""}[content])
    assert main(["evaluate", str(folder), "--model", str(file)]) == 1
    printed = capsys.readouterr().err
    assert str(file) in printed and len(printed.splitlines()) == 1


class Planted:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return pathlib.Path.touch, (self.trace,)


def test_a_network_that_would_run_code_is_refused(file, tmp_path):
    torch.save(Planted(tmp_path / "trace"), file)
    with pytest.raises(ValueError, match=r"net\.pt is damaged"):
        kept.load_model(file)
    assert not (tmp_path / "trace").exists()


def test_a_network_that_is_not_there_is_named(folder, capsys):
    assert main(["evaluate", str(folder), "--model", "nowhere.pt"]) == 1
    assert "nowhere.pt" in capsys.readouterr().err


@pytest.mark.parametrize("side, ways", [(28, {"as they are"}), (32, {"resized", "centre crop"})])
def test_evaluate_prints_the_accuracy_on_a_folder(
    domains, file, outcome, tmp_path, capsys, side, ways
):
    folder = write_folder(tmp_path / "digits", domains.target_test, side)
    assert main(["evaluate", str(folder), "--model", str(file)]) == 0
    printed = capsys.readouterr().out
    plain = study.accuracy_on(domains.target_test.first(60))(outcome.net())
    accuracy = float(printed.split("accuracy")[1].split()[0].strip(","))
    assert accuracy == pytest.approx(plain, abs=0.02 if side == 28 else 0.15)
    assert sum(f", {way})" in printed for way in ways) == 1


def test_the_way_is_chosen_by_information_and_said(domains, outcome):
    digits = domains.target_test.first(60)
    right = {"good": digits.x, "bad": torch.zeros_like(digits.x)}
    found = kept.evaluate(outcome.net(), right, digits.y)
    assert found.way == "good"
    assert found.right == round(60 * study.accuracy_on(digits)(outcome.net()))


def test_the_folder_is_read_once_for_all_networks(folder, file, monkeypatch, capsys):
    read = []
    plain = kept.digits.read_labelled
    monkeypatch.setattr(kept.digits, "read_labelled", lambda *a: read.append(a) or plain(*a))
    other = shutil.copy(file, file.with_name("other.pt"))
    assert main(["evaluate", str(folder), "--model", str(file), "--model", str(other)]) == 0
    assert len(read) == 1 and capsys.readouterr().out.count("accuracy") == 2


def test_evaluate_names_what_is_wrong(tmp_path, file, capsys):
    arguments = ["evaluate", str(tmp_path), "--model", str(file)]
    assert main(arguments) == 1
    assert "--labels" in capsys.readouterr().err
    (tmp_path / "labels.txt").write_text("absent.png 3\n")
    assert main(arguments) == 1
    assert "absent.png" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "no-folder"), "--model", str(file)]) == 1
    assert "no-folder is not a folder" in capsys.readouterr().err


def test_the_module_runs_as_a_command(folder, file, monkeypatch, capsys):
    arguments = ["evaluate", str(folder), "--model", str(file)]
    monkeypatch.setattr(sys, "argv", ["adaptation", *arguments])
    monkeypatch.delitem(sys.modules, "practicals.adaptation.__main__")
    with pytest.raises(SystemExit) as end:
        runpy.run_module("practicals.adaptation", run_name="__main__")
    assert end.value.code == 0 and "accuracy" in capsys.readouterr().out


def test_an_evaluation_gives_every_digit_with_an_interval():
    found = kept.Evaluation(8, 12, "as they are", ((8, 10), (0, 0), (0, 2)))
    low, high = kept.stats.wilson(8, 12)
    assert f"0.6667, 95 % interval {low:.4f} to {high:.4f}  (8 of 12, as they are)" in str(found)
    first, second, third = found.table().splitlines()
    low, high = kept.stats.wilson(8, 10)
    assert first.split() == ["0", "0.8000", f"{low:.4f}", "to", f"{high:.4f}", "(n", "=", "10)"]
    assert second.split() == ["1", "none"] and third.split()[:2] == ["2", "0.0000"]


def test_digits_are_counted_by_their_true_label(domains, outcome):
    digits = domains.target_test.first(60)
    found = kept.evaluate(outcome.net(), {"as they are": digits.x}, digits.y)
    answers = scores.probabilities(outcome.net(), digits.x).argmax(1)
    for digit, (right, n) in enumerate(found.by_digit):
        assert n == int((digits.y == digit).sum())
        assert right == int(((digits.y == digit) & (answers == digit)).sum())
    assert sum(n for _, n in found.by_digit) == found.n
