"""How build_tiny_encoder.py makes the small text encoder: its words, and their vectors."""
