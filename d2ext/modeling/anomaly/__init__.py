"""Parts of EfficientAD: patch description networks and second branches."""
