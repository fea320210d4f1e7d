"""How the shapes of SynthRoad's objects are built."""
