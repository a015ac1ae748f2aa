"""Questions about stories in words."""

from memnets_tasks.questions.babi import BAbI, StoryBatch
from memnets_tasks.questions.babi_files import read_stories

__all__ = ["BAbI", "StoryBatch", "read_stories"]
