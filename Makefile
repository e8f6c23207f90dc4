# Each target sets up .venv by itself on a fresh machine with Python 3.11 or 3.12; set-up that is done is not repeated.
SHELL  := /bin/bash
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3,$(shell command -v $(p) 2>/dev/null)))
BIN    := .venv/bin
STAMP  := .venv/.complete
DEMO   := configs/mini/two-tower_mini-pedes.py
OUT    := work_dirs/demo
PHOTOS := data/MiniPEDES/default-0/images
PORT   ?= 8000
RESULTS := benchmarks/results
JOBS   ?= 2
SEED   ?= 0
KILLS  ?= 100

# An older pair of torch and triton that the kernels must work with, and where their tests need no more than that.
OLD    := .venv-old
OLD_PACKAGES := torch==2.11.0 triton==3.6.0 'numpy<2.4' pytest hypothesis

.PHONY: help venv demo chat test test-kernels-old fuzz chaos lint bench leaderboard clean
help:
	@echo "make demo    data, training, evaluation and pictures on MiniPEDES (no download but the packages)"
	@echo "make chat    the demo's system in the browser: search its pictures and talk to the search (PORT=8000)"
	@echo "make test    the test suite          make lint    ruff, mypy, import floors"
	@echo "make test-kernels-old   the kernels' tests with torch 2.11 and triton 3.6, in an environment of its own ($(OLD))"
	@echo "make fuzz    random inputs for every reader, for SECONDS=120, or until INPUTS=N were made over all runs"
	@echo "make chaos   KILLS=100 SEED=0 SECONDS=: kill training, suites, submit, data and cache building at random, restart"
	@echo "make bench   all benchmarks, results into README and docs"
	@echo "make leaderboard   the pages in docs/leaderboard from the committed records"
	@echo "make venv    only the set-up"

venv: $(STAMP)

$(STAMP): setup.cfg pyproject.toml constraints.txt $(wildcard plugins/*/setup.cfg)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "Python 3.11 or 3.12 is needed, $(PYTHON) is another: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "python -m venv failed. On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]' $(patsubst %/setup.cfg,-e ./%,$(wildcard plugins/*/setup.cfg))
	# mmengine asks for opencv-python, which needs a display's libraries; the headless build has the same module.
	$(BIN)/pip uninstall -q -y opencv-python 2>/dev/null
	$(BIN)/pip install --disable-pip-version-check -q --no-deps --force-reinstall -c constraints.txt opencv-python-headless
	@touch $@

demo: $(STAMP)
	$(BIN)/python tools/train.py $(DEMO) --work-dir $(OUT) --resume auto
	$(BIN)/python tools/visualize.py samples $(DEMO) --out $(OUT)/pictures/mini-pedes.png
	$(BIN)/python tools/visualize.py retrieval $(OUT)/best.pth --out $(OUT)/pictures/retrieval.png
	$(BIN)/python tools/visualize.py curves $(OUT) --out $(OUT)/pictures/training.png
	@echo; echo "Pictures: $(OUT)/pictures/    Record: $(OUT)/record/record.json"

chat: $(STAMP)
	@test -f $(OUT)/best.pth || $(BIN)/python tools/train.py $(DEMO) --work-dir $(OUT) --resume auto
	@test -d $(PHOTOS) || $(BIN)/python tools/prepare_data.py MiniPEDES data/MiniPEDES
	$(BIN)/python tools/index.py $(OUT)/best.pth $(PHOTOS) --out $(OUT)/index
	$(BIN)/python tools/chat.py $(OUT)/index --port $(PORT)

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# The kernels need torch and triton alone; conftest.py of the folders above needs the rest of the package.
test-kernels-old: $(OLD)/.complete
	OMP_NUM_THREADS=1 $(OLD)/bin/python -m pytest --confcutdir=tests/kernels tests/kernels

$(OLD)/.complete:
	$(PYTHON) -m venv $(OLD)
	$(OLD)/bin/pip install --disable-pip-version-check -q $(OLD_PACKAGES)
	@touch $@

fuzz: $(STAMP)
	PYTHONPATH=tests/helpers OMP_NUM_THREADS=1 $(BIN)/python -m fuzzing --seed $(SEED) --jobs $(JOBS) \
	  $(if $(INPUTS),--inputs $(INPUTS),--seconds $(or $(SECONDS),120))

chaos: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python tests/chaos/chaos.py --kills $(KILLS) --seed $(SEED) $(if $(SECONDS),--seconds $(SECONDS))

lint: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/mypy benchmarks/search.py && $(BIN)/lint-imports --no-logo

# A system whose vectors are as wide as CLIP's, its pictures, and a gallery of ten million: needs the extra `bench` and
# 20 GB of disk.
WIDE = work_dirs/wide
SEARCHED = --checkpoint $(WIDE) --images data/MiniPEDES/default-0/images --large 10000000

$(WIDE)/record/record.json: | $(STAMP)
	$(BIN)/python tools/train.py configs/mini/two-tower-s_mini-pedes.py --work-dir $(WIDE) --resume auto \
	  --cfg-options model.heads.global.embed_dim=512 schedule.max_epochs=8

bench: $(STAMP) $(WIDE)/record/record.json
	@for script in $(filter-out benchmarks/gpu.py,$(wildcard benchmarks/[a-z]*.py)); do \
	  echo "$$script"; name=$$(basename $$script .py); \
	  case $$name in search) more="$(SEARCHED)";; *) more="";; esac; \
	  $(BIN)/python $$script --json $$more > $(RESULTS)/$$name.tmp || exit 1; \
	  tail -n 1 $(RESULTS)/$$name.tmp > $(RESULTS)/$$name.json; rm $(RESULTS)/$$name.tmp; \
	done
	$(BIN)/python -m tbpsbench.kernels.shipping --json > $(RESULTS)/compiled.json
	$(BIN)/python benchmarks/_report.py

leaderboard: $(STAMP)
	$(BIN)/python tools/leaderboard.py render benchmarks/records --published benchmarks/published --out docs/leaderboard

clean:
	rm -rf .venv $(OLD) work_dirs data build *.egg-info .pytest_cache .mypy_cache .ruff_cache
