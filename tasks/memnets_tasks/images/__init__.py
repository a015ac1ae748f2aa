"""Tasks of reading and describing images: lines of text, handwritten digits, scenes, and files of real ones.

Importing this loads no library of images; what draws or decodes loads it when first used.
"""

from memnets_tasks.base import ImageTask, LoadedImages
from memnets_tasks.images.base import SceneTask, TextTask
from memnets_tasks.images.batches import Box, SceneBatch, TextLineBatch
from memnets_tasks.images.binary_digits import BinaryDigits
from memnets_tasks.images.caption_files import CaptionFiles
from memnets_tasks.images.cluttered_digits import ClutteredDigits
from memnets_tasks.images.digit_classes import DigitClasses
from memnets_tasks.images.digit_lines import DigitLines
from memnets_tasks.images.page_lines import PageLines
from memnets_tasks.images.scenes import Scenes
from memnets_tasks.images.stories import Stories, StoryBatch, StoryTask
from memnets_tasks.images.text_files import TextLineFiles
from memnets_tasks.images.text_lines import TextLines
from memnets_tasks.images.words import CHINESE_WORDS, mixed_words, pseudo_words
from memnets_tasks.images.writers import write_captions, write_text_lines

__all__ = [
    "CHINESE_WORDS",
    "BinaryDigits",
    "Box",
    "CaptionFiles",
    "ClutteredDigits",
    "DigitClasses",
    "DigitLines",
    "ImageTask",
    "LoadedImages",
    "PageLines",
    "SceneBatch",
    "SceneTask",
    "Scenes",
    "Stories",
    "StoryBatch",
    "StoryTask",
    "TextLineBatch",
    "TextLineFiles",
    "TextLines",
    "TextTask",
    "mixed_words",
    "pseudo_words",
    "write_captions",
    "write_text_lines",
]
