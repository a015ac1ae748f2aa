"""Tasks for memory networks: batches, loss, metrics, and the lengths to train and to test on.

A task says what is asked and how an answer is scored; it knows nothing of models, optimisers or devices. A
training step draws its batch from a generator that is a function of the seed and the step alone:

    >>> from memnets_tasks import Copy, Uniform, generator
    >>> task, curriculum = Copy(), Uniform()
    >>> step = 0
    >>> random = generator(seed=1, stream="train", step=step)
    >>> lengths = task.sample_lengths(16, random, max_length=curriculum.max_length(step, task))
    >>> batch = task.sample(16, lengths, random)
    >>> tuple(batch.lengths.shape)
    (16,)
"""

from memnets_tasks.associative_recall import AssociativeRecall
from memnets_tasks.binary import BinaryTask
from memnets_tasks.copy import Copy
from memnets_tasks.curriculum import Curriculum, Growing, Uniform
from memnets_tasks.dynamic_ngrams import DynamicNGrams
from memnets_tasks.optimal import optimal_predictions
from memnets_tasks.priority_sort import PrioritySort
from memnets_tasks.repeat_copy import RepeatCopy
from memnets_tasks.seeding import generator
from memnets_tasks.task import Batch, Task

__all__ = [
    "AssociativeRecall",
    "Batch",
    "BinaryTask",
    "Copy",
    "Curriculum",
    "DynamicNGrams",
    "Growing",
    "PrioritySort",
    "RepeatCopy",
    "Task",
    "Uniform",
    "generator",
    "optimal_predictions",
]
