"""Scenes to be drawn: layouts as maps, captions, crops of datasets, new layouts, files of what was drawn."""
