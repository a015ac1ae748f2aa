"""Experiments: configuration, run directory, fitting, sweeps and their engines, reports."""
