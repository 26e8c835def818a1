"""What stands around the package: requirements, their lock, CI, the dev container, the version.

Nothing here runs a container or a workflow: the tests see that what those files name is there.
"""

import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LISTS = sorted(path.name for path in ROOT.glob("requirements*.txt"))
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def lines(name):
    return [line for line in read(name).splitlines() if line and not line.startswith("#")]


def requirements(name):
    return [Requirement(line.split(" #")[0]) for line in lines(name)]


def make_targets():
    return set(re.findall(r"^([a-z-]+):", read("Makefile"), re.M))


def commands(node):
    """Return every ``run`` of a workflow's steps."""
    return [step["run"] for job in node["jobs"].values() for step in job["steps"] if "run" in step]


def test_each_requirement_has_a_lower_and_an_upper_bound():
    for name in ("requirements.txt", "requirements-dev.txt"):
        for wanted in requirements(name):
            operators = {one.operator for one in wanted.specifier}
            assert ">=" in operators, f"{name}: {wanted} has no lower bound"
            # dask counts years: no release is announced as incompatible.
            assert "<" in operators or wanted.name == "dask", f"{name}: {wanted} has no upper bound"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_each_requirement_says_why(name):
    silent = [line for line in lines(name) if not re.search(r"  # \w|\S # \w", line)]
    assert not silent


def test_the_lock_pins_all_that_is_required_within_its_bounds():
    pinned = [Requirement(line) for line in lines("requirements.lock")]
    versions = {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pinned
    }
    assert len(versions) == len(pinned), "one package is pinned twice"
    for name in set(LISTS) - {"requirements-site.txt"}:
        for wanted in requirements(name):
            version = versions.get(canonicalize_name(wanted.name))
            assert version, f"requirements.lock lacks {wanted.name} of {name}"
            assert wanted.specifier.contains(version), f"{wanted} of {name}, locked at {version}"


def test_one_version_in_project_citation_and_changelog():
    citation = yaml.safe_load(read("CITATION.cff"))
    newest, date = re.findall(r"^## (\S+) - (\S+)$", read("CHANGELOG.md"), re.M)[0]
    assert PROJECT["version"] == citation["version"] == newest
    assert citation["date-released"] == date


def test_the_workflow_runs_scripts_and_targets_that_exist():
    flow = yaml.safe_load(read(".github/workflows/ci.yml"))
    assert flow["permissions"] == {"contents": "read"}
    assert all(0 < job["timeout-minutes"] <= 90 for job in flow["jobs"].values())
    words = [shlex.split(line) for run in commands(flow) for line in run.splitlines()]
    scripts = [word[0] for word in words if word[0].startswith(".ci/")]
    assert {".ci/run", ".ci/versions"} == set(scripts)
    for script in scripts:
        assert (ROOT / script).stat().st_mode & 0o100, f"{script} is not executable"
    assert {word[1] for word in words if word[0] == "make"} <= make_targets()
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert flow["jobs"]["promises"]["container"] == f"python:{lowest}-bookworm"


def test_dependabot_looks_into_folders_that_exist():
    for update in yaml.safe_load(read(".github/dependabot.yml"))["updates"]:
        folder = ROOT / update["directory"].lstrip("/")
        needed = {"npm": "package.json", "pip": "requirements.txt", "github-actions": ".github"}
        assert (folder / needed[update["package-ecosystem"]]).exists(), folder


def test_a_hook_or_a_text_calls_only_modules_and_targets_that_exist():
    texts = ("README.md", "CONTRIBUTING.md", "data/README.md", "docs/instructor.md")
    for name in (*texts, ".pre-commit-config.yaml", ".github/pull_request_template.md"):
        targets = re.findall(r"(?:`|\$ |^)make ([a-z][a-z-]*)", read(name), re.M)
        assert set(targets) <= make_targets(), name
        for module in re.findall(r"python -m ((?:practicals|provenance|tools)[\w.]*)", read(name)):
            assert importlib.util.find_spec(module), f"{name} calls {module}"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/instructor.md"])
def test_links_lead_to_files(name):
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", read(name)):
        # The site has the data folder's page beside the instructor's.
        places = [(ROOT / name).parent / link, ROOT / link]
        assert any(place.exists() for place in places), f"{name} links to {link}"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_issue_forms_ask_under_names_of_their_own(form):
    found = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(found)
    names = [part["id"] for part in found["body"]]
    assert len(set(names)) == len(names) > 0
    assert any(part.get("validations", {}).get("required") for part in found["body"])


def test_the_dev_container_has_the_reports_latex_and_calls_make():
    container = json.loads(read(".devcontainer/devcontainer.json"))
    image = read(f".devcontainer/{container['build']['dockerfile']}")
    (packages,) = re.findall(r"^LATEX := (.+)$", read("Makefile"), re.M)
    assert set(packages.split()) <= set(image.split())
    assert f"useradd --create-home --shell /bin/bash {container['remoteUser']}" in image
    make, target = container["postCreateCommand"].split()
    assert make == "make" and target in make_targets()
