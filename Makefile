# `make` alone lists the targets. PYTHON picks the interpreter that .venv is made from;
# CONSTRAINTS= takes the newest releases instead of the versions last measured.
PYTHON ?= python3
CONSTRAINTS ?= -c constraints.txt
VENV := .venv
PY := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check $(CONSTRAINTS)
QUICK := not full and not seeds

.PHONY: help lessons smoke test pytest full seeds pages notebooks translations readme bench clean distclean
.PHONY: always 15 16 17 18 19 20 21 22

help:
	@echo "make lessons       run every lesson at the notes' settings, and print one closing table"
	@echo "make 15            run one lesson; ARGS='--steps 300' passes flags on"
	@echo "make smoke         run every lesson in seconds, to see that everything works"
	@echo "make pages         the lessons as a web site in pages/site; NOTES=FILE adds your notes"
	@echo "make notebooks     the lessons as notebooks and scripts in notebooks/, in three languages"
	@echo "make test          the tests, in minutes"
	@echo "make full          every claim of every lesson, at the notes' settings"
	@echo "make seeds         other seeds, other flags, every 'Try it': as long as it takes"
	@echo "make bench         each lesson against the notes' TF1 code, taking turns"
	@echo "make translations  bring the Chinese catalogues in pages/zh up to date"
	@echo "make readme        bring the READMEs up to date with the last make lessons"
	@echo "make clean         remove what can be made again in minutes; distclean: .venv as well"

# Each stamp says that an environment was installed to its end, and .made-with from what: another
# PYTHON or other CONSTRAINTS make a new one.
.made-with: always
	@echo '$(PYTHON) $(CONSTRAINTS)' | cmp -s - $@ || echo '$(PYTHON) $(CONSTRAINTS)' > $@
always:

$(VENV)/lessons.stamp: requirements.txt constraints.txt tests/tools.txt .made-with
	@$(PYTHON) -c "import platform, sys; version = sys.version_info; \
	here = sys.platform + ' ' + platform.machine().lower(); \
	sys.exit('TensorFlow has wheels for Python 3.11 to 3.13, and this is %d.%d: name another, as in make PYTHON=python3.12 lessons' % version[:2] \
	if not (3, 11) <= version < (3, 14) else 'TensorFlow has no wheel for ' + here \
	if here in ('darwin x86_64', 'win32 arm64') else 0)"
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/pages.stamp: pages/requirements.txt $(VENV)/lessons.stamp
	$(PIP) -r pages/requirements.txt
	@touch $@

$(VENV)/tests.stamp: tests/requirements.txt $(VENV)/pages.stamp
	$(PIP) -r tests/requirements.txt
	@touch $@

lessons: $(VENV)/lessons.stamp
	$(PY) lessons/run_all.py $(ARGS)

smoke: $(VENV)/lessons.stamp
	$(PY) lessons/run_all.py --smoke

15 16 17 18 19 20 21 22: $(VENV)/lessons.stamp
	$(PY) $(wildcard lessons/lesson$@_*.py) $(ARGS)

pytest: $(VENV)/tests.stamp
	$(PY) -m pytest -m "$(QUICK)" -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test: $(VENV)/tests.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(MAKE) --no-print-directory pytest

full: $(VENV)/tests.stamp
	$(PY) -m pytest -m full $(ARGS)

seeds: $(VENV)/tests.stamp
	$(PY) -m pytest -m seeds $(ARGS)

pages: $(VENV)/pages.stamp
	$(PY) pages/build.py site $(if $(NOTES),--notes "$(NOTES)") $(ARGS)

notebooks: $(VENV)/pages.stamp
	$(PY) pages/build.py notebooks

translations: $(VENV)/pages.stamp
	$(PY) pages/build.py translations

readme: $(VENV)/pages.stamp
	$(PY) pages/readme.py

bench: $(VENV)/lessons.stamp
	$(PY) tests/bench/bench.py $(ARGS)

clean:
	rm -rf pages/site notebooks .pytest_cache .ruff_cache

distclean: clean
	rm -rf $(VENV) .made-with outputs data/vgg16*
