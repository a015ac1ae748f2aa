"""Few-shot learning: classes that were never seen before, learnt from a few examples within an episode."""
