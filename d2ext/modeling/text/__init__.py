"""Sentences to features: encoders of Hugging Face, their features on disk, numbers."""
