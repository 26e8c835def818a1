"""What a GPU would refuse, found without one; see ``pretended/pretended_device.py``.

``make elsewhere`` runs the whole suite and every notebook on that device. ``make test`` tries the
device itself, and with it the tests that once failed on a GPU.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils import backend_registration

from provenance import project
from tests.test_notebooks import run

pytestmark = pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"),
    reason="this torch knows no devices written in Python",
)
HERE = Path(__file__).parent
ONCE_BROKEN = (
    "networks/test_backbones.py",
    "adaptation/test_pseudo_labels.py::test_pseudo_labels_use_no_target_label_and_report_each_round",
    "adversarial/test_attacks.py",
    "transfer/test_finetune.py",
)


def settings(folder):
    """Return the environment of a Python whose default device is the pretended one."""
    return {
        "PYTHONPATH": str(HERE / "pretended"),
        "PRACTICALS_DEVICE": "elsewhere",
        "PRACTICALS_DATA": str(folder),
        "PROVENANCE_CACHE": str(folder / "cache"),
        "PROVENANCE_JOBS": "1",
        "OMP_NUM_THREADS": "1",
    }


def python(folder, *arguments):
    found = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | settings(folder),
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parent,
    )
    return found.returncode, found.stdout + found.stderr


REFUSED = {
    "there + torch.ones(6)": "on one device",
    "torch.nn.Linear(6, 2)(there[None])": "on one device",
    "torch.ones(9)[there.long()]": "indices of the CPU",
    "there.numpy()": "Tensor.cpu()",
    "torch.rand(3, device='elsewhere', generator=torch.Generator())": "generator of elsewhere",
}


def test_what_a_gpu_refuses_is_refused(tmp_path):
    code = (
        "import torch\n"
        "there = torch.arange(6.0, device='elsewhere')\n"
        f"for line in {list(REFUSED)}:\n"
        "    try:\n"
        "        print(eval(line))\n"
        "    except (RuntimeError, TypeError) as error:\n"
        "        print(error)\n"
    )
    status, said = python(tmp_path, "-c", code)
    assert status == 0, said
    for text, line in zip(REFUSED.values(), said.splitlines(), strict=True):
        assert text in line


def test_numbers_are_those_of_the_cpu(tmp_path):
    code = (
        "import torch\n"
        "from torch import nn\n"
        "def trained(device):\n"
        "    torch.manual_seed(0)\n"
        "    maps = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)\n"
        "    net = nn.Sequential(*maps, nn.Flatten(), nn.Linear(27, 2))\n"
        "    x, net = torch.rand(8, 1, 5, 5), net.to(device)\n"
        "    sgd = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)\n"
        "    for step in range(3):\n"
        "        y = torch.arange(8, device=device) % 2\n"
        "        loss = nn.functional.cross_entropy(net(x.to(device)), y)\n"
        "        sgd.zero_grad(); loss.backward(); sgd.step()\n"
        "    with torch.inference_mode():\n"
        "        return net.eval()(x.to(device)).softmax(1).cpu()\n"
        "assert torch.equal(trained('cpu'), trained('elsewhere'))\n"
    )
    assert python(tmp_path, "-c", code) == (0, "")


def test_what_failed_on_a_gpu_runs_elsewhere(tmp_path):
    files = [str(HERE / name) for name in ONCE_BROKEN]
    status, said = python(tmp_path, "-m", "pytest", "-x", "-p", "no:cacheprovider", *files)
    assert status == 0, said


@pytest.mark.slow
@pytest.mark.parametrize("stem", project.current().stems())
def test_notebooks_run_elsewhere(stem, monkeypatch, tmp_path):
    for name, value in settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    run(stem, lambda cells: cells, monkeypatch)
