"""Questions about graphs that are given as triples of labels."""
