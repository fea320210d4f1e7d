"""Parts of ``scripts/gpu_check.py``, one module each, and what runs them."""
