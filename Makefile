# What people type. Every target sets up first whatever it needs; `make` alone lists them.

# Given on the command line (make grade SUBMISSIONS=... DEADLINE=...); the environment's are ignored.
# Each of these words is the option of `autograder grade` of the same name, in small letters.
ANYWHERE = WORKERS GPUS SANDBOX LANGUAGE
OF_A_CLASS = DATA PROTOCOL DEADLINE HOURS CHECKPOINT LMS TIMEZONE ROSTER CLUSTER SLURM
HOMEWORK = hw6
SUBMISSIONS =
OUT =
FILE =
FROM =
PORT =
BENCH =
EXTRA =
$(foreach word,$(ANYWHERE) $(OF_A_CLASS),$(eval $(word) =))
small = $(shell echo $(1) | tr A-Z a-z)
options = $(foreach word,$(1),$(if $($(word)),--$(call small,$(word)) "$($(word))"))

READY = .venv/.ready
PYTHON = .venv/bin/python
AUTOGRADER = .venv/bin/autograder

.DEFAULT_GOAL := help
.PHONY: help setup grade desk check test test-rest test-all test-windows test-windows-where-wine-is lint release data bench words requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## create .venv, install what is pinned, and bubblewrap where that may be done; EXTRA="pandas timm" adds packages
	@if [ -n "$(EXTRA)" ]; then \
	    $(PYTHON) -m pip install --quiet --disable-pip-version-check -c requirements.txt $(EXTRA); \
	fi; \
	echo ".venv has what requirements.txt pins$(if $(EXTRA), and $(EXTRA))"

$(READY): requirements.txt pyproject.toml setup.sh
	@PYTHON3='$(PYTHON3)' sh setup.sh

ifneq ($(strip $(SUBMISSIONS)),)
grade: $(READY) ## grade the example class; with SUBMISSIONS=folder-or-zip a real one
	@$(AUTOGRADER) grade "$(SUBMISSIONS)" --homework "$(HOMEWORK)" --out "$(or $(OUT),grades/$(HOMEWORK))" \
	    $(call options,$(OF_A_CLASS) $(ANYWHERE))
else
# The demonstration: the same on any machine.
grade: $(READY)
	@if [ -n "$(strip $(foreach word,$(OF_A_CLASS),$($(word))))" ]; then \
	    echo "error: what a real class is graded with (DATA, DEADLINE, ROSTER, ...) needs SUBMISSIONS=folder" >&2; exit 2; \
	fi; \
	$(AUTOGRADER) grade "examples/submissions/$(HOMEWORK)" --homework "$(HOMEWORK)" \
	    --out "$(or $(OUT),grades/example/$(HOMEWORK))" --data practice --protocol demo $(call options,$(ANYWHERE))
endif

desk: $(READY) ## pages to watch a class, look, decide and hand back; OUT=folder, PORT=8421
	@$(AUTOGRADER) desk "$(or $(OUT),grades/$(HOMEWORK))" $(call options,PORT)

check: $(READY) ## check one file: make check FILE=hw6.py
	@if [ -z "$(FILE)" ]; then echo "error: which file? make check FILE=hw6.py" >&2; exit 2; fi; \
	$(AUTOGRADER) check "$(FILE)" $(call options,LANGUAGE)

# Both cores; a file's tests stay together, since they share what they prepare.
PYTEST = $(PYTHON) -m pytest --numprocesses 2 --dist loadfile

test: lint ## run the linters and the tests that take minutes
	$(PYTEST) -m "not slow"

test-rest: $(READY) ## run the tests that `make test` leaves out
	$(PYTEST) -m slow

test-all: test test-rest test-windows-where-wine-is ## run the linters and every test

WINDOWS = $(HOME)/.cache/autograder-windows
SET_UP_WINDOWS = bash tests/windows/setup.sh "$(WINDOWS)"
TEST_WINDOWS = AUTOGRADER_WINDOWS="$(WINDOWS)" $(PYTHON) -m pytest tests/windows

test-windows: $(READY) ## what students do, on a real Python for Windows under Wine (minutes; installs Wine where it may)
	$(SET_UP_WINDOWS)
	$(TEST_WINDOWS)

test-windows-where-wine-is: $(READY)
	@if $(SET_UP_WINDOWS); then $(TEST_WINDOWS); \
	else echo "NOT RUN: make test-windows, since Wine and a Python for Windows couldn't be set up here" >&2; fi

lint: $(READY) ## ruff, mypy, and the one direction of imports
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-cache

release: $(READY) ## generate assignment/ from solution/
	$(AUTOGRADER) release

data: $(READY) ## download CIFAR-10, or import it: make data FROM=file-or-folder
	$(AUTOGRADER) data fetch $(if $(FROM),--from "$(FROM)")

bench: $(READY) ## measure what must be fast, into build/bench.json; options in BENCH="..."
	$(PYTHON) bench/measure.py $(BENCH)

words: $(READY) ## collect what students read for translation, and compile the translations
	mkdir -p build
	.venv/bin/pybabel -q extract --mapping-file=autograder/locale/babel.cfg --keywords=marked --add-comments=Translators: \
	    --add-location=file --no-wrap --output-file=build/autograder.pot autograder
	.venv/bin/pybabel -q update --domain=autograder --input-file=build/autograder.pot --output-dir=autograder/locale \
	    --ignore-pot-creation-date --ignore-obsolete --no-fuzzy-matching --no-wrap
	.venv/bin/pybabel -q compile --domain=autograder --directory=autograder/locale

requirements: $(READY) ## write requirements.txt again from what .venv holds
	mkdir -p build
	sed -n '/^#/p' requirements.txt > build/requirements.txt
	$(PYTHON) -m pip list --format=freeze --exclude-editable --exclude pip \
	    | grep -v -i -E '^(nvidia-|cuda-|triton=)' >> build/requirements.txt
	mv build/requirements.txt requirements.txt

clean: ## remove what the tools leave behind; keeps .venv, data and grades
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis autograder.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
