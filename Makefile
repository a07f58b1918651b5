# `make` alone lists the targets. PYTHON picks the interpreter that .venv is made from.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
  PY := $(VENV)/Scripts/python
else
  PY := $(VENV)/bin/python
endif
LESSONS := $(patsubst lessons/lesson%,%,$(basename $(wildcard lessons/lesson*.py)))
NUMBERS := $(foreach lesson,$(LESSONS),$(firstword $(subst _, ,$(lesson))))

.PHONY: help lessons smoke test full pages notebooks readme bench clean $(NUMBERS)

help:
	@echo "make lessons   run every lesson at the notes' settings, and print one closing table"
	@echo "make smoke     run every lesson in seconds, to see that everything works"
	@echo "make 15        run one lesson; ARGS='--steps 300' passes flags on"
	@echo "make test      run the tests, all but the full runs"
	@echo "make full      run the full runs, minutes each, and hold them to the notes"
	@echo "make pages     a web page per lesson in pages/site/; NOTES=FILE puts your notes beside it"
	@echo "make notebooks a notebook per lesson in notebooks/"
	@echo "make readme    bring both READMEs up to date with the last make lessons and bench"
	@echo "make bench     time each training against the TF1 code of the notes"
	@echo "make clean     remove .venv and outputs"

# The stamps tell an environment that was installed to the end from one that was interrupted.
$(VENV)/lessons.stamp: requirements.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and \
	  'The lessons need Python 3.10 or newer: make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/tests.stamp: tests/requirements.txt $(VENV)/lessons.stamp
	$(PY) -m pip install --quiet -r tests/requirements.txt
	@touch $@

$(VENV)/pages.stamp: pages/requirements.txt $(VENV)/lessons.stamp
	$(PY) -m pip install --quiet -r pages/requirements.txt
	@touch $@

lessons: $(VENV)/lessons.stamp
	$(PY) tests/run_all.py $(ARGS)

smoke: $(VENV)/lessons.stamp
	$(PY) tests/run_all.py --smoke

$(NUMBERS): $(VENV)/lessons.stamp
	$(PY) $(wildcard lessons/lesson$@_*.py) $(ARGS)

test: $(VENV)/tests.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pytest -m "not full"

full: $(VENV)/tests.stamp
	$(PY) -m pytest -m full

pages: $(VENV)/pages.stamp
	$(PY) pages/build.py site $(if $(NOTES),--notes "$(NOTES)") $(ARGS)

notebooks: $(VENV)/pages.stamp
	$(PY) pages/build.py notebooks

readme: $(VENV)/lessons.stamp
	$(PY) pages/readme.py

bench: $(VENV)/lessons.stamp
	$(PY) tests/bench/bench.py $(ARGS)

clean:
	rm -rf $(VENV) outputs pages/site notebooks
