"""3D detection by sets of boxes: the decoder, its losses and matching, diffusion of boxes."""
