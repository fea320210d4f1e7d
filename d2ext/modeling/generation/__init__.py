"""Pictures from layouts and sentences: autoencoders, denoising processes and networks, samplers."""
