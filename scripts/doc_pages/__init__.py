"""Pages of the documentation that are made of files elsewhere in the tree."""
