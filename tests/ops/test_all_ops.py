"""Every public equation has an independent reference among the oracles."""

import oracles
from memnets import ops
from oracles import delta, dnc, draw, least_used, programs, sparse, stack

ELSEWHERE = {
    "DELTA_CHUNK": "a number",
    "delta_step": "the step of delta_rule",
    "gated_delta_rule": "delta_rule with a decay",
    "gated_delta_step": "the step of gated_delta_rule",
    "NeuralMemoryState": "a state",
    "PROGRAM_OPERATIONS": "names",
    "ProgramState": "a state",
    "program_step": "programs.run_program",
    "start_program": "programs.run_program",
    "follow_links": "sparse.follow",
    "link_back": "sparse.Links.write",
    "link_on": "sparse.Links.write",
    "sparse_precedence": "sparse.Links.write",
    "linear_attention_step": "the step of linear_attention",
    "neural_memory": "layers.titans_layer",
    "neural_queue_read": "NeuralQueue.read",
    "neural_queue_step": "NeuralQueue.step",
    "neural_stack_read": "NeuralStack.read",
    "neural_stack_step": "NeuralStack.step",
    "write": "erase, then add",
}


LOOPS = (oracles, dnc, draw, stack, delta, least_used, sparse, programs)


def test_every_equation_has_its_loop():
    for name in ops.__all__:
        modules = [module for module in LOOPS if hasattr(module, name)]
        assert modules or name in ELSEWHERE, f"{name} has no reference in tests/oracles"
