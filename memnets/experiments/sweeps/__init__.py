"""Sweeps: a grid of experiments, settings and seeds, run by any engine, and the report of what came out.

Needs no torch but for the report's figures; ``ray`` is imported by :mod:`memnets.experiments.engines.ray_tune` alone.
"""
