"""The package's architecture: imports go downward, modules are short, loading is safe."""

import ast
from pathlib import Path

import pytest

import practicals

PACKAGE = Path(practicals.__file__).parent
REPOSITORY = PACKAGE.parents[1]
# Lowest first. A module imports from its own layer and from those below; ``output`` knows only
# ``ground``. Caches are ground: they know paths and the hash of code, and any layer may use them.
# Training is below the methods, since a small network is trained where ImageNet's are absent.
LAYERS = {
    "ground": """
        paths budgets profile runtime atomic catalogue fingerprint caching sweeps
    """,
    "data": """
        assets downloads inventory layouts missing datasets images photos digits
        digit_files
    """,
    "networks": """
        backbones named_layers training deep_compression smallvgg domain_norm
        adaptation_networks
    """,
    "methods": """
        transfer features finetune scores gradients saliency saliency_methods saliency_controls
        saliency_sanity saliency_scores saliency_study deeplift rectifiers segmentation
        attacks classvis adaptation adaptation_fit adaptation_models adaptation_recipes
        adaptation_scores adaptation_selection adaptation_training pseudo_labels gan
    """,
    "output": """
        plots adaptation_plots adaptation_flow saliency_plots saliency_tables
        figures results tables macros numerals notebook
    """,
    "tools": """
        render execution cleaning check check_notebooks check_figures check_report
        problems tex typeset
    """,
}
LAYER_OF = {module: layer for layer, modules in LAYERS.items() for module in modules.split()}
ORDER = list(LAYERS)
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
FORBIDDEN_IN_METHODS = {"paths", "plots", "figures", "results"}
MAX_LINES = 200
MAX_FUNCTION = 50


def tree_of(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def imports_of(module: str) -> set[str]:
    """Return the package's modules that ``module`` imports, wherever in its code."""
    names = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(["practicals"] * bool(node.level) + [node.module or ""]).rstrip(".")
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    parts = (name.split(".") for name in names if name.startswith("practicals."))
    return {part[1] for part in parts} & set(MODULES)


def allowed(layer: str) -> set[str]:
    if layer == "output":
        return {"ground", "output"}
    return set(ORDER[: ORDER.index(layer) + 1]) - ({"output"} if layer != "tools" else set())


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_layer(module):
    assert module in LAYER_OF, f"{module}.py is in no layer: add it to LAYERS in {__name__}"


@pytest.mark.parametrize("module", sorted(set(MODULES) & set(LAYER_OF)))
def test_imports_go_downward(module):
    layer = LAYER_OF[module]
    for other in imports_of(module) & set(LAYER_OF):
        assert LAYER_OF[other] in allowed(layer), (
            f"{module} ({layer}) imports {other} ({LAYER_OF[other]}): allowed are {allowed(layer)}"
        )


@pytest.mark.parametrize("module", [m for m in MODULES if LAYER_OF.get(m) == "methods"])
def test_methods_know_no_paths_no_output_no_environment(module):
    assert not imports_of(module) & FORBIDDEN_IN_METHODS
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
            pytest.fail(f"{module}.py, line {node.lineno}: methods do not read the environment")


@pytest.mark.parametrize("module", MODULES)
def test_modules_and_functions_are_short(module):
    lines = (PACKAGE / f"{module}.py").read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_LINES, f"{module}.py has {lines} lines: split it by what it does"
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{module}.{node.name} has {length} lines"


@pytest.mark.parametrize("module", MODULES)
def test_public_definitions_have_docstrings(module):
    tree = tree_of(module)
    assert ast.get_docstring(tree), f"{module}.py has no docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{module}.{node.name} has no docstring"


def python_sources() -> list[Path]:
    folders = (PACKAGE, REPOSITORY / "tests", REPOSITORY / "benchmarks")
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


@pytest.mark.parametrize("path", python_sources(), ids=lambda path: path.stem)
def test_torch_load_reads_only_weights(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert options.get("weights_only") == "True", f"{path.name}, line {node.lineno}"
