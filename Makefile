# The project's commands; `make` alone lists them. Each can be the first one on a fresh clone.

PROFILE ?= sample
PYTHON ?= python3
NETS ?=
NOTEBOOKS ?=
COVERAGE ?=
COVER = $(if $(COVERAGE),--cov --cov-report=term)
export PROFILE

VENV := .venv
PY := $(VENV)/bin/python
DONE := $(VENV)/.done
SITE := $(VENV)/.site
NPM := build/npm
PLAYGROUND := build/playground/.done
PIP := $(PY) -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup latex report notebooks test float32 lowest locked twice elsewhere check student student-check course-check \
  site site-packages site-check data models clean
.DELETE_ON_ERROR:

help: ## list the commands
	@echo "Usage: make COMMAND [PROFILE=sample|lab|full]    (now: PROFILE=$(PROFILE))"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s%s\n", $$1, $$2 }'
	@echo
	@echo "sample (default): small stand-ins, no download, minutes; writes only below build/."
	@echo "lab: the real networks and data, smaller budgets: a lab session."
	@echo "full: the real networks and data, as published; see data/README.md."

setup: ## environment in .venv, Jupyter kernel, LaTeX; once
	@if $(MAKE) --question $(DONE); then echo "setup: .venv: nothing to do"; else $(MAKE) --no-print-directory $(DONE); fi
	@$(MAKE) --no-print-directory latex

# The PDF alone needs LaTeX. As root on Debian it is installed; elsewhere the command is printed.
LATEX := latexmk lmodern texlive-latex-base texlive-latex-recommended texlive-fonts-recommended
latex:
	@if command -v latexmk pdflatex bibtex >/dev/null && kpsewhich natbib.sty lmodern.sty subcaption.sty >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "setup: installing LaTeX, a few minutes: apt-get install --no-install-recommends $(LATEX)"; \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(LATEX); } \
	    >/dev/null || echo "setup: apt-get failed; notebooks and tests work without LaTeX"; \
	else \
	  echo "setup: the PDF needs LaTeX. Debian, Ubuntu: sudo apt-get install --no-install-recommends $(LATEX)"; \
	  echo "       elsewhere: TeX Live or MacTeX, with latexmk. Notebooks and tests work without it."; \
	fi

$(DONE): requirements.txt requirements-dev.txt requirements-peers.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "setup: Python 3.11 or later is needed, and $(PYTHON) is not that: make setup PYTHON=python3.12"; exit 1; }
	@# An interrupted run leaves a .venv without a working pip: it starts again from nothing.
	@$(PY) -m pip --version >/dev/null 2>&1 || { \
	  $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "setup: $(PYTHON) cannot make environments. Debian, Ubuntu: apt-get install python3-venv"; exit 1; }; \
	  echo "setup: making .venv"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "setup: installing the requirements (PyTorch is large: several minutes the first time)"
	@$(PIP) install -r requirements.txt -r requirements-dev.txt -e .
	@$(PIP) install --no-deps -r requirements-peers.txt
	@$(PY) -m ipykernel install --sys-prefix --name practicals --display-name "Practicals" >/dev/null
	@touch $@

report: $(DONE) ## all notebooks and the PDF: build/sample/report.pdf, or report/report.pdf with PROFILE=full
	@$(MAKE) --no-print-directory latex
	@$(PY) -m provenance.render
	@$(PY) -m provenance.report

notebooks: $(DONE) ## run what is not up to date; NOTEBOOKS="1-transfer-learning" for some
	@$(PY) -m provenance.render $(NOTEBOOKS)

test: $(DONE) ## style, types, import rules and tests; COVERAGE=1 prints how much of src they reach
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --quiet --check . || { echo "test: ruff format would change the files above"; exit 1; }
	@found="$$($(VENV)/bin/lint-imports --no-logo --no-cache)" || { echo "$$found"; exit 1; }
	@found="$$($(PY) -m mypy)" || { echo "$$found"; exit 1; }
	@# One thread a process: the processes together fill the cores.
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --dist loadfile $(COVER)

twice: $(DONE) ## every notebook in the sample profile, each cell twice, and the whole twice
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n auto -m slow tests/test_notebooks.py

float32: $(DONE) ## the lesson's tests once more as on a processor without bfloat16 units
	@OMP_NUM_THREADS=1 PRACTICALS_PRECISION=float32 $(PY) -m pytest -n auto --dist loadfile \
	  --ignore tests/provenance --ignore tests/publish --ignore tests/tools --ignore tests/data

lowest: ## the tests with the oldest versions that requirements.txt allows
	@.ci/versions $@

locked: ## the tests with the versions behind the published numbers
	@.ci/versions $@

elsewhere: $(DONE) ## tests and notebooks on a pretended device: what would fail on a GPU, found without one
	@OMP_NUM_THREADS=1 PYTHONPATH=tests/pretended PRACTICALS_DEVICE=elsewhere PROVENANCE_JOBS=1 \
	  $(PY) -m pytest -n auto --dist loadfile --ignore tests/test_elsewhere.py
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n auto -m slow tests/test_elsewhere.py

check: $(DONE) ## prove that what is published is current; names each culprit
	@$(PY) -m provenance.check

student: $(DONE) ## the hand-out without answers: build/student/
	@$(PY) -m provenance.handout make

student-check: $(DONE) ## prove that exercises fail without an answer and pass with one
	@$(PY) -m provenance.handout check

course-check: $(DONE) ## prove that nbgrader hands out, collects and marks 2-saliency, or NOTEBOOKS
	@NOTEBOOKS="$(NOTEBOOKS)" $(PY) -m pytest -m slow tests/provenance/test_course.py

$(SITE): requirements-site.txt $(DONE)
	@echo "site: installing Sphinx"
	@$(PIP) install -r requirements-site.txt
	@touch $@

# Formulas and networks need npm's packages; without npm the pages say what is missing.
site-packages:
	@if ! command -v npm >/dev/null; then \
	  echo "site: npm is missing, so formulas stay TeX and the playgrounds say why they cannot start."; \
	  echo "site: Debian, Ubuntu: apt-get install npm"; \
	elif ! cmp -s docs/package-lock.json $(NPM)/.done; then \
	  echo "site: fetching what runs in the browser (MathJax, onnxruntime-web)"; \
	  mkdir -p $(NPM); cp docs/package.json docs/package-lock.json $(NPM)/; \
	  if npm ci --prefix $(NPM) --ignore-scripts --no-audit --no-fund --silent; \
	  then cp docs/package-lock.json $(NPM)/.done; \
	  else echo "site: npm ci failed (no network?): the site is built without its packages"; fi; \
	fi

$(PLAYGROUND): tools/export_playground.py $(wildcard data/models/*.pt) $(SITE)
	@echo "site: writing the playgrounds' networks for the browser"
	@$(PY) tools/export_playground.py $(@D)
	@touch $@

# Sphinx reads a copy, so that what it and autodoc2 write does not lie beside what is written by hand.
site: $(SITE) site-packages $(PLAYGROUND) ## the site: build/site/index.html, from what is committed; runs no notebook
	@rm -rf build/site-source build/site-new
	@mkdir -p build/site-source/data build/site-source/report
	@cp -Rp docs/*.md docs/nbgrader_config.py docs/playground notebooks figures build/site-source/
	@cp -p data/README.md build/site-source/data/
	@cp -p report/report.pdf build/site-source/report/
	@$(PY) -m sphinx -E -W --keep-going -q -b html -c docs -d build/site-cache build/site-source build/site-new
	@rm -rf build/site && mv build/site-new build/site
	@echo "site: build/site/index.html; playgrounds need a server: python3 -m http.server --directory build/site"

site-check: site ## every page of the site in headless Chromium
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n auto -rs -m site tests/site

data: $(DONE) ## download the data of the full profile; NETS=vgg16 adds VGG16 (528 MB)
	@$(PY) -m practicals.data.fetch fetch $(if $(NETS),--nets "$(NETS)")
	@$(PY) -m tools.convert_weights fetch

models: $(DONE) ## train the kept heads for 15 scenes again: data/models/scenes-*.pt, half an hour
	@$(PY) -m practicals.transfer heads

JUNK = build .pytest_cache .ruff_cache $(wildcard report/*.aux report/*.log report/*.out report/*.toc \
  report/*.bbl report/*.blg report/*.fls report/*.fdb_latexmk)

clean: ## remove build/ and by-products; data, caches and published files stay
	@found="$(wildcard $(JUNK))"; if [ -n "$$found" ]; then rm -rf $$found; echo "clean: removed $$found"; else echo "clean: nothing to do"; fi
