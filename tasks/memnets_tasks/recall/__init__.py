"""Recall: what came once in a sequence is asked for later."""
