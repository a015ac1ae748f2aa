"""Algorithmic tasks: sequences drawn at random, whose answer an algorithm knows."""
