# Every target works on a clean clone: they all run scripts/setup.sh first, which takes a second when up to date.
# PYTHON=python3.12 chooses the interpreter of a new environment, DETECTRON2=git the official Detectron2.

VENV ?= .venv
BIN := $(VENV)/bin
export VENV PYTHON DETECTRON2

.PHONY: help setup demo serve test test-slow test-lowest fuzz lint docs notebooks zoo bench

help:
	@echo "make setup      create $(VENV) and install everything"
	@echo "make demo       draw what the shipped checkpoint finds, evaluate it, train for two minutes"
	@echo "make serve      watch a rendered road on a page at http://127.0.0.1:8000/"
	@echo "make test       fast tests; ARGS are pytest's: make test ARGS=\"-k resume -x\""
	@echo "make test-slow  training runs and other slow tests; ARGS as well"
	@echo "make test-lowest  the fast tests with the lowest versions that pyproject.toml allows; ARGS as well"
	@echo "make fuzz       20,000 wrong files for each reader"
	@echo "make lint       ruff (rules and format) and mypy"
	@echo "make docs       build the site in output/site; every link and reference is checked"
	@echo "make notebooks  run notebooks/, under two minutes each"
	@echo "make zoo        measure the shipped models anew and compare with d2ext/zoo.yaml, about an hour"
	@echo "make bench      time the model and its parts"

setup:
	@bash scripts/setup.sh

demo:
	@began=$$(date +%s); \
	echo "demo: within 10 minutes: set-up (about 3, seconds when done before), then a model that finds what" \
		"sentences mean is shown (under 1), tested (1 to 2) and trained (2)"; \
	bash scripts/setup.sh && $(BIN)/python scripts/demo.py --began $$began

CLIP = output/serve/clip/kitti_tracking/training

serve: setup
	test -f $(CLIP)/label_02/0000.txt || $(BIN)/python -m d2ext.data.synthroad --root output/serve/clip --seed 3 --video --clips 1 \
		--seconds 60 --width 512 --anomalies 1 --workers 2
	$(BIN)/python projects/RoadWatch/serve.py --config-file configs/RoadWatch/road_watch_synthroad.yaml \
		--input $(CLIP)/image_02/0000 --calib $(CLIP)/calib/0000.txt --ground $(CLIP)/denorm/0000.txt \
		--road $(CLIP)/road/0000.json --output output/serve/watched --repeat

# Tests run in as many processes as there are cores; ARGS="-n 0 ..." in this one.
test:
	@echo "make test: all fast tests, about 8 minutes on two cores, after a set-up of 4 minutes the first time"
	@bash scripts/setup.sh
	$(BIN)/python -m pytest -q -n auto --maxprocesses 8 --dist loadfile $(ARGS)

test-slow:
	@echo "make test-slow: trainings and full-size models, much longer than make test; ARGS=\"-k name\" chooses"
	@bash scripts/setup.sh
	$(BIN)/python -m pytest -q -m slow $(ARGS)

# In an environment of its own, and with the oldest Python where that is at hand.
test-lowest: export VENV = .venv-lowest
test-lowest: export VERSIONS = lowest
test-lowest: export PYTHON := $(or $(PYTHON),$(shell python3.10 -c 'print("python3.10")' 2>/dev/null),python3)
test-lowest:
	@echo "make test-lowest: all fast tests at the lower bounds of pyproject.toml, in .venv-lowest"
	@bash scripts/setup.sh
	.venv-lowest/bin/python -m pytest -q -n auto --maxprocesses 8 --dist loadfile $(ARGS)

fuzz: setup
	D2EXT_FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest -q -n auto tests/fuzz $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Both need extras that make setup leaves out.
docs: setup
	@$(BIN)/pip install -q -c constraints.txt -e '.[docs]'
	$(BIN)/mkdocs build --strict

notebooks: setup
	@$(BIN)/pip install -q -c constraints.txt -e '.[notebooks]'
	$(BIN)/python -m pytest -q -n 0 --nbmake --nbmake-timeout=600 notebooks $(ARGS)

zoo: setup
	$(BIN)/python scripts/check_zoo.py $(ARGS)

bench: setup
	$(BIN)/python scripts/benchmark.py
	for name in fusion training inference; do $(BIN)/python projects/U2ENet/benchmark.py $$name || exit 1; done
	$(BIN)/python projects/DiffusionDet3D/benchmark.py
	$(BIN)/python projects/TrajAD/benchmark.py
	$(BIN)/python projects/OpenVocab3D/benchmark.py
	$(BIN)/python projects/SceneSana/benchmark.py
	$(BIN)/python projects/RoadWatch/benchmark.py --hours 0.1
