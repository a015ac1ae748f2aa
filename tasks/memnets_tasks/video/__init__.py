"""Tasks of video: frames one after another, each a step whose inputs are the frame's pixels."""

from memnets_tasks.video.frame_folders import FrameFolders
from memnets_tasks.video.gestures import Gestures
from memnets_tasks.video.moving_shapes import MovingShapes

__all__ = ["FrameFolders", "Gestures", "MovingShapes"]
