"""Kept digit networks: the weights of notebook 3's budgets, which a file gives back unchanged."""

import pytest
import torch

from practicals import profile
from practicals.adversarial import kept
from practicals.adversarial.defence import DigitNetwork
from practicals.networks.training import he_initialise


@pytest.fixture
def net():
    torch.manual_seed(3)
    return he_initialise(DigitNetwork()).eval()


def test_both_networks_are_kept_whole(monkeypatch, tmp_path, net):
    monkeypatch.setenv("PROFILE", "full")
    asked = []
    monkeypatch.setattr(kept, "digit_network", lambda *args: asked.append(args) or net)
    files = kept.keep(profile.current(), tmp_path)
    # The radii and budgets of notebook 3, so that its cache serves.
    assert [(eps, vars(budget)) for _, eps, budget, _ in asked] == [
        (0.0, {"digits": 60000, "epochs": 5, "steps": 1}),
        (0.2, {"digits": 60000, "epochs": 5, "steps": 5}),
    ]
    assert [file.name for file in files] == ["adversarial-plain.pt", "adversarial-robust.pt"]
    again = torch.load(files[1], weights_only=True)
    assert all(torch.equal(again[key], value) for key, value in net.state_dict().items())
