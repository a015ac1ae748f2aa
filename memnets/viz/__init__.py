"""Figures of tasks, of what any memory did (from a trace, by the kind of each record), and of training; no pyplot.

Each name is imported when it is first used: the package itself needs no matplotlib.
"""

import importlib
from typing import TYPE_CHECKING, Any

from memnets.base.extras import naming_extras

if TYPE_CHECKING:
    from memnets.viz._records import TraceLike, drawable
    from memnets.viz.alignment import alignment_figure
    from memnets.viz.atlas import heat_map_figure, score_lengths_figure
    from memnets.viz.attention import caption_figure, reading_figure
    from memnets.viz.batches import batch_figure, sequence_figure
    from memnets.viz.characters import characters_figure
    from memnets.viz.curves import lengths_figure, training_figure
    from memnets.viz.drawing import Animation, drawing_figure, tiled
    from memnets.viz.film import film_figure
    from memnets.viz.gates import gates_figure
    from memnets.viz.glimpses import glimpses_figure
    from memnets.viz.gradients import gradients_figure
    from memnets.viz.images import images_figure
    from memnets.viz.memory import matrices_figure, memory_figure
    from memnets.viz.memory_work import memory_work_figure
    from memnets.viz.opinions import opinions_figure
    from memnets.viz.predictions import predictions_figure
    from memnets.viz.program import program_figure
    from memnets.viz.records import records_figure, trace_figures
    from memnets.viz.save import check_ending, save_figure, to_array
    from memnets.viz.seeds import LengthsPanel, learning_seeds_figure, lengths_seeds_figure
    from memnets.viz.sorting import sorting_figure
    from memnets.viz.story import story_figure
    from memnets.viz.text import weightings_text
    from memnets.viz.vectors import vectors_figure
    from memnets.viz.weightings import weightings_figure

__all__ = [
    "Animation",
    "LengthsPanel",
    "TraceLike",
    "alignment_figure",
    "batch_figure",
    "caption_figure",
    "characters_figure",
    "check_ending",
    "drawable",
    "drawing_figure",
    "film_figure",
    "gates_figure",
    "glimpses_figure",
    "gradients_figure",
    "heat_map_figure",
    "images_figure",
    "learning_seeds_figure",
    "lengths_figure",
    "lengths_seeds_figure",
    "matrices_figure",
    "memory_figure",
    "memory_work_figure",
    "opinions_figure",
    "predictions_figure",
    "program_figure",
    "reading_figure",
    "records_figure",
    "save_figure",
    "score_lengths_figure",
    "sequence_figure",
    "sorting_figure",
    "story_figure",
    "tiled",
    "to_array",
    "trace_figures",
    "training_figure",
    "vectors_figure",
    "weightings_figure",
    "weightings_text",
]

_HOMES = {
    "alignment_figure": "alignment",
    "film_figure": "film",
    "glimpses_figure": "glimpses",
    "Animation": "drawing",
    "drawing_figure": "drawing",
    "tiled": "drawing",
    "TraceLike": "_records",
    "drawable": "_records",
    "heat_map_figure": "atlas",
    "score_lengths_figure": "atlas",
    "caption_figure": "attention",
    "reading_figure": "attention",
    "batch_figure": "batches",
    "sequence_figure": "batches",
    "characters_figure": "characters",
    "lengths_figure": "curves",
    "training_figure": "curves",
    "gates_figure": "gates",
    "gradients_figure": "gradients",
    "images_figure": "images",
    "matrices_figure": "memory",
    "memory_figure": "memory",
    "memory_work_figure": "memory_work",
    "predictions_figure": "predictions",
    "records_figure": "records",
    "trace_figures": "records",
    "check_ending": "save",
    "save_figure": "save",
    "to_array": "save",
    "LengthsPanel": "seeds",
    "learning_seeds_figure": "seeds",
    "lengths_seeds_figure": "seeds",
    "sorting_figure": "sorting",
    "opinions_figure": "opinions",
    "program_figure": "program",
    "story_figure": "story",
    "weightings_text": "text",
    "vectors_figure": "vectors",
    "weightings_figure": "weightings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with naming_extras("drawing figures"):
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
