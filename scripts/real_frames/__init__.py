"""What evaluate_real.py does: its frames, the models on them, the table and the log of it, pictures."""
