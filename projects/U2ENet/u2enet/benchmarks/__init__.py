"""Benchmarks of ``projects/U2ENet/benchmark.py``, one module each."""
