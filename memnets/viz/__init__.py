"""Figures of tasks, of what any memory did (from a trace, by the kind of each record), and of training; no pyplot."""

from memnets.viz._records import TraceLike, drawable
from memnets.viz.atlas import heat_map_figure, score_lengths_figure
from memnets.viz.attention import caption_figure, reading_figure
from memnets.viz.batches import batch_figure, sequence_figure
from memnets.viz.characters import characters_figure
from memnets.viz.curves import lengths_figure, training_figure
from memnets.viz.gates import gates_figure
from memnets.viz.gradients import gradients_figure
from memnets.viz.images import images_figure
from memnets.viz.memory import matrices_figure, memory_figure
from memnets.viz.memory_work import memory_work_figure
from memnets.viz.predictions import predictions_figure
from memnets.viz.records import records_figure, trace_figures
from memnets.viz.save import check_ending, save_figure, to_array
from memnets.viz.seeds import LengthsPanel, learning_seeds_figure, lengths_seeds_figure
from memnets.viz.sorting import sorting_figure
from memnets.viz.text import weightings_text
from memnets.viz.vectors import vectors_figure
from memnets.viz.weightings import weightings_figure

__all__ = [
    "LengthsPanel",
    "TraceLike",
    "batch_figure",
    "caption_figure",
    "characters_figure",
    "check_ending",
    "drawable",
    "gates_figure",
    "gradients_figure",
    "heat_map_figure",
    "images_figure",
    "learning_seeds_figure",
    "lengths_figure",
    "lengths_seeds_figure",
    "matrices_figure",
    "memory_figure",
    "memory_work_figure",
    "predictions_figure",
    "reading_figure",
    "records_figure",
    "save_figure",
    "score_lengths_figure",
    "sequence_figure",
    "sorting_figure",
    "to_array",
    "trace_figures",
    "training_figure",
    "vectors_figure",
    "weightings_figure",
    "weightings_text",
]
