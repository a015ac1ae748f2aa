"""The equations: pure functions of tensors, one section of a paper a file.

Letters in shapes: ``B`` batch, ``T`` steps, ``N`` slots, ``M`` width, ``R`` read heads, ``W`` write heads, ``H`` any
heads, ``S`` shifts (odd), ``K`` and ``V`` the sizes of a head's keys and values. Values come after their activation and
every function returns new tensors.
"""

from .allocation import (
    allocation_weights,
    allocation_weights_by_head,
    deallocate,
    memory_retention,
    memory_usage,
    write_weighting,
)
from .content import content_weights, cosine_similarity
from .delta import DELTA_CHUNK, delta_rule, delta_step, gated_delta_rule, gated_delta_step
from .filter_bank import attention_window, filter_bank, read_patch, write_patch
from .least_used import decayed_usage, least_used_weights
from .linear_attention import linear_attention, linear_attention_step
from .links import backward_weights, forward_weights, sharpen_links, update_links, update_precedence
from .location import interpolate, sharpen, shift_weights
from .masking import masked_content_weights, masked_cosine_similarity
from .neural_memory import NeuralMemoryState, neural_memory
from .neural_stack import neural_queue_read, neural_queue_step, neural_stack_read, neural_stack_step
from .nondeterministic_stack import nondeterministic_stack_step
from .programs import PROGRAM_OPERATIONS, ProgramState, compare_cells, program_step, start_program
from .read_modes import read_weighting
from .reading import read
from .sparse import (
    least_recent,
    most_similar,
    read_rows,
    row_weights,
    sparse_write,
    sparse_write_weights,
    take_rows,
    update_access,
)
from .sparse_links import (
    follow_links,
    keep_largest,
    link_back,
    link_on,
    sparse_precedence,
)
from .stack import stack_step, stack_top
from .tape import tape_read, tape_step
from .writing import write

__all__ = [
    "DELTA_CHUNK",
    "PROGRAM_OPERATIONS",
    "NeuralMemoryState",
    "ProgramState",
    "allocation_weights",
    "allocation_weights_by_head",
    "attention_window",
    "backward_weights",
    "compare_cells",
    "content_weights",
    "cosine_similarity",
    "deallocate",
    "decayed_usage",
    "delta_rule",
    "delta_step",
    "filter_bank",
    "follow_links",
    "forward_weights",
    "gated_delta_rule",
    "gated_delta_step",
    "interpolate",
    "keep_largest",
    "least_recent",
    "least_used_weights",
    "linear_attention",
    "linear_attention_step",
    "link_back",
    "link_on",
    "masked_content_weights",
    "masked_cosine_similarity",
    "memory_retention",
    "memory_usage",
    "most_similar",
    "neural_memory",
    "neural_queue_read",
    "neural_queue_step",
    "neural_stack_read",
    "neural_stack_step",
    "nondeterministic_stack_step",
    "program_step",
    "read",
    "read_patch",
    "read_rows",
    "read_weighting",
    "row_weights",
    "sharpen",
    "sharpen_links",
    "shift_weights",
    "sparse_precedence",
    "sparse_write",
    "sparse_write_weights",
    "stack_step",
    "stack_top",
    "start_program",
    "take_rows",
    "tape_read",
    "tape_step",
    "update_access",
    "update_links",
    "update_precedence",
    "write",
    "write_patch",
    "write_weighting",
]
