# The two commands: `make lab` opens the course, `make test` checks it.
PYTHON ?= python3
BIN := .venv/bin
LESSONS := $(sort $(wildcard notebooks/*.ipynb))
# One thread is faster and steadier than two for models this small.
export OMP_NUM_THREADS := 1

.PHONY: lab test lint unit notebooks execute teachers results site clean

lab: .venv/ready
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/$(firstword $(LESSONS)) $(LAB_OPTIONS)

# Each part runs whether or not another failed, and it fails at the end if one did.
test:
	$(MAKE) --keep-going lint unit notebooks

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Two at a time, a file each: the cells of a notebook need one another.
unit: .venv/ready
	$(BIN)/pytest -n 2 --dist loadfile

notebooks: .venv/ready
	$(BIN)/pytest -n 2 --dist loadfile --nbval-lax --nbval-current-env --nbval-cell-timeout=120 \
	    --nbval-sanitize-with tests/sanitize.cfg $(LESSONS)

# Runs every lesson from the top and stores its outputs.
execute: .venv/ready
	$(BIN)/python tests/execute.py $(LESSONS)

teachers: .venv/ready
	for name in $$($(BIN)/python -c "from kdlab.teachers.teach import recipes; print(*recipes())"); do \
	    $(BIN)/python -m kdlab teach $$name || exit 1; done

# The studies that are too slow for a lesson; their results are stored in data/results.
results: .venv/ready
	for study in studies/*.py; do $(BIN)/python $$study || exit 1; done

# The course as pages, in docs/_build/html: lessons with their stored outputs, API, claims.
site: .venv/ready docs/node_modules
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --builder html docs docs/_build/html
	@echo "docs/_build/html/index.html; to look at it: python3 -m http.server --directory docs/_build/html"

# onnxruntime-web, for the demo page; without the network the site is built, and that page says so.
docs/node_modules: docs/package.json
	-npm install --prefix docs --no-package-lock --no-audit --no-fund --silent && touch $@

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kdlab needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	@echo "Making .venv: PyTorch and JupyterLab, about 6 GB with the CUDA build; a few minutes the first time."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --constraint constraints.txt --editable '.[lab,test,deploy,grade,site]'
	@mkdir -p .venv/share/jupyter/lab/settings
	@echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}' \
	    > .venv/share/jupyter/lab/settings/overrides.json
	@mkdir -p .venv/etc/jupyter/labconfig  # nbgrader's menus are for instructors: its command line stays
	@echo '{"disabledExtensions": {"@jupyter/nbgrader": true}}' > .venv/etc/jupyter/labconfig/page_config.json
	touch $@

clean:
	rm -rf .venv build dist
