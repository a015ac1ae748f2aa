"""Engines: who runs the trials of a sweep. Local processes, Ray, or one command a trial for a job array."""
