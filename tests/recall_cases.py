"""The tasks of recall, working memory, graphs and few-shot learning, small."""

import memnets_tasks as tasks

RECALL = {
    "MQAR": lambda: tasks.MQAR(vocabulary=300, slices=[(32, 4), (64, 8)], shares=[1, 1], test_slices=[(128, 16)]),
    "SelectiveCopying": lambda: tasks.SelectiveCopying(tokens=3, min_length=8, max_length=20, evaluation_lengths=(30,)),
    "InductionHeads": lambda: tasks.InductionHeads(min_length=4, max_length=20, evaluation_lengths=(30,)),
    "NoisyRecall": lambda: tasks.NoisyRecall(min_length=6, max_length=20, evaluation_lengths=(31,)),
    "FuzzyRecall": lambda: tasks.FuzzyRecall(min_length=14, max_length=30, evaluation_lengths=(50,)),
    "Adding": lambda: tasks.Adding(min_length=3, max_length=20, evaluation_lengths=(30,)),
    "SerialRecall": tasks.SerialRecall,
    "ReverseRecall": tasks.ReverseRecall,
    "SkipRecall": tasks.SkipRecall,
    "SequenceEquality": tasks.SequenceEquality,
    "Distraction": tasks.Distraction,
    "ReadingSpan": tasks.ReadingSpan,
    "OperationSpan": tasks.OperationSpan,
    "Interruption": tasks.Interruption,
    "GraphTraversal": tasks.GraphTraversal,
    "ShortestPath": tasks.ShortestPath,
    "FamilyRelations": tasks.FamilyRelations,
    "GlyphEpisodes": lambda: tasks.GlyphEpisodes(size=8, characters="ABDEFGHJK", ways=3),
    "DigitEpisodes": tasks.DigitEpisodes,
}

FILES = ("BAbI", "OmniglotEpisodes")
"""Those of files, whose tests write some."""
