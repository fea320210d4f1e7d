"""Training and testing with prompts: what is asked of an image, what is held out, names that users give."""
