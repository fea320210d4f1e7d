# Every target works on a clean clone: they all run scripts/setup.sh first, which takes a second when up to date.
# PYTHON=python3.12 chooses the interpreter of a new environment, DETECTRON2=git the official Detectron2.

VENV ?= .venv
BIN := $(VENV)/bin
export VENV PYTHON DETECTRON2

.PHONY: help setup demo test test-slow fuzz lint bench

help:
	@echo "make setup      create $(VENV) and install everything"
	@echo "make demo       evaluate the shipped checkpoint, draw a picture, train for a minute"
	@echo "make test       fast tests"
	@echo "make test-slow  training runs and other slow tests"
	@echo "make fuzz       20,000 wrong files for each reader"
	@echo "make lint       ruff and mypy"
	@echo "make bench      time the model and its parts"

setup:
	@bash scripts/setup.sh

demo: setup
	$(BIN)/python scripts/demo.py

test: setup
	$(BIN)/python -m pytest -q

test-slow: setup
	$(BIN)/python -m pytest -q -m slow

fuzz: setup
	D2EXT_FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest -q tests/fuzz

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup
	for name in parts fusion training u2enet diffusion trajad; do $(BIN)/python scripts/benchmark.py $$name || exit 1; done
