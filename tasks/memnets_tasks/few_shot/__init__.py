"""Few-shot learning: classes that were never seen before, learnt from a few examples within an episode."""

from memnets_tasks.few_shot.digits import DigitEpisodes
from memnets_tasks.few_shot.episodes import EpisodeTask
from memnets_tasks.few_shot.glyphs import GlyphEpisodes
from memnets_tasks.few_shot.omniglot import OmniglotEpisodes

__all__ = ["DigitEpisodes", "EpisodeTask", "GlyphEpisodes", "OmniglotEpisodes"]
