"""Questions about graphs against solvers that read the triples of one sequence at a time."""

import collections

import pytest
import torch

from memnets_tasks import FamilyRelations, GraphTraversal, ShortestPath
from memnets_tasks.graphs.family_trees import RELATION_LABELS, RELATIONS
from memnets_tasks.graphs.triples import decode, encode
from solver_cases import check_answers, seeded


def label(bits):
    """The number of three digits of ten bits; None where it is left open."""
    if not any(bits):
        return None
    digits = [bits[start : start + 10] for start in (0, 10, 20)]
    assert all(sum(digit) == 1 for digit in digits)
    return int("".join(str(digit.index(1)) for digit in digits))


def bits_of(triple):
    return [float(int(digit) == place) for part in triple for digit in f"{part:03d}" for place in range(10)]


def phases(steps):
    """The triples of each phase, which begins where channel 90 is set, and the steps that ask."""
    parts = []
    for values in steps:
        if values[90]:
            parts.append([])
        parts[-1].append(tuple(label(values[start : start + 30]) for start in (0, 30, 60)))
    asked = [t for t, values in enumerate(steps) if values[91]]
    assert asked == list(range(len(steps) - len(parts[-1]), len(steps)))
    assert set(parts[-1]) == {(None, None, None)}
    return parts, asked


def as_answers(asked, triples):
    assert len(asked) == len(triples)
    return {t: bits_of(triple) for t, triple in zip(asked, triples)}


def outgoing(edges):
    out = collections.defaultdict(dict)
    for source, edge, destination in edges:
        assert edge not in out[source], "labels of a node's edges differ"
        assert source != destination
        out[source][edge] = destination
    return out


def solve_traversal(steps):
    (edges, question, _), asked = phases(steps)
    out, node, walk = outgoing(edges), question[0][0], []
    for number, (source, edge, destination) in enumerate(question):
        assert destination is None
        assert (source is None) == (number > 0)
        walk.append((node, edge, out[node][edge]))
        node = out[node][edge]
    return as_answers(asked, walk)


def shortest_paths(out, source, target):
    """All of them, as lists of triples, breadth first."""
    paths, found = [[(None, None, source)]], []
    while paths and not found:
        found = [path[1:] for path in paths if path[-1][2] == target]
        paths = [
            [*path, (path[-1][2], edge, node)]
            for path in paths
            for edge, node in out[path[-1][2]].items()
            if node not in {step[2] for step in path}
        ]
    return found


def solve_shortest_path(steps):
    (edges, [(source, edge, target)], planning, _), asked = phases(steps)
    assert edge is None
    assert planning == [(None, None, None)] * 10
    (path,) = shortest_paths(outgoing(edges), source, target)
    return as_answers(asked, path)


class Tree:
    """A family tree read from its edges, and relatives found by walking in it."""

    def __init__(self, edges):
        self.parents, self.children = collections.defaultdict(dict), collections.defaultdict(set)
        self.sex, numbered = {}, collections.defaultdict(set)
        for one, how, other in edges:
            if how < 2:
                self.parents[one]["father" if how == 0 else "mother"] = other
                self.sex[other] = "male" if how == 0 else "female"
            else:
                numbered[one, how < 5].add((how - 2) % 3)
                self.children[one].add(other)
                self.sex[other] = "male" if how < 5 else "female"
        for numbers in numbered.values():
            assert numbers == set(range(len(numbers))), "sons and daughters are numbered from the first"
        for child, parents in self.parents.items():
            assert parents.keys() == {"father", "mother"}
            assert all(child in self.children[parent] for parent in parents.values())

    def up(self, people, side=None):
        return {p for one in people for how, p in self.parents[one].items() if side in (None, how)}

    def down(self, people, sex):
        return {child for one in people for child in self.children[one] if self.sex[child] == sex}

    def siblings(self, one, sex):
        return self.down(self.up({one}), sex) - {one}

    def relatives(self, one, relation):
        *sides, kind = relation.split(" ", 1) if " " in relation else [relation]
        side = {"paternal": "father", "maternal": "mother"}[sides[0]] if sides else None
        above = self.up({one}, side)
        if kind in ("father", "mother"):
            return self.up({one}, kind)
        if kind.startswith("grand"):
            return self.up(above, kind.removeprefix("grand"))
        if kind in ("brother", "sister"):
            return self.siblings(one, {"brother": "male", "sister": "female"}[kind])
        if kind in ("nephew", "niece"):
            both = self.siblings(one, "male") | self.siblings(one, "female")
            return self.down(both, {"nephew": "male", "niece": "female"}[kind])
        sex = "male" if kind.endswith(("uncle", "cousin")) and not kind.startswith("female") else "female"
        if kind in ("uncle", "aunt"):
            return {s for parent in above for s in self.siblings(parent, sex)}
        if kind.startswith("great-"):
            return {s for grandparent in self.up(above) for s in self.siblings(grandparent, sex)}
        assert kind.endswith("cousin")
        aunts = {s for parent in above for sex in ("male", "female") for s in self.siblings(parent, sex)}
        return self.down(aunts, sex)


def solve_family(steps):
    (edges, [(person, relation, open_)], _), asked = phases(steps)
    assert open_ is None
    name = dict(zip(RELATION_LABELS, RELATIONS))[relation]
    (relative,) = Tree(edges).relatives(person, name)
    return as_answers(asked, [(person, relation, relative)])


@pytest.mark.parametrize(
    ("task", "solve", "smallest", "largest"),
    [
        (GraphTraversal(), solve_traversal, 2, 40),
        (ShortestPath(max_path=5), solve_shortest_path, 2, 40),
        (FamilyRelations(), solve_family, 1, 20),
    ],
    ids=["GraphTraversal", "ShortestPath", "FamilyRelations"],
)
def test_answers_of_a_slow_solver(task, solve, smallest, largest):
    check_answers(task, solve, smallest, largest)


def test_a_label_is_three_digits_and_an_open_one_nothing():
    triples = torch.tensor([[0, 999, -1], [507, -1, 42]])
    vectors = encode(triples)
    assert vectors[0, :30].nonzero().squeeze(1).tolist() == [0, 10, 20]
    assert vectors[0, 30:60].nonzero().squeeze(1).tolist() == [9, 19, 29]
    assert not vectors[0, 60:].any()
    assert torch.equal(decode(vectors), triples)


def test_every_edge_is_shown_once_and_in_random_order():
    task = GraphTraversal(min_degree=2, max_degree=2)
    batch = task.sample(40, 5, seeded())
    firsts = []
    for steps, length in zip(batch.inputs.tolist(), batch.lengths.tolist()):
        (edges, _, _), _ = phases(steps[:length])
        assert len(edges) == len(set(edges)) == 10
        sources = [source for source, _, _ in edges]
        firsts.append(sources[0] == sources[1])
    assert 0 < sum(firsts) < 20, "edges of a node do not stand together"


def test_paths_are_as_long_as_asked_where_a_graph_has_such():
    task = ShortestPath(min_path=3, max_path=3, min_degree=2, max_degree=3)
    assert (task.sample(50, 20, seeded()).mask.sum(1) == 3).float().mean() > 0.9
    assert (task.sample(50, 2, seeded()).mask.sum(1) == 1).all(), "two nodes are one edge apart"


def test_relations_of_every_kind_are_asked():
    task = FamilyRelations()
    batch = task.sample(500, 7, seeded())
    asked = {phases(s[:n])[0][1][0][1] for s, n in zip(batch.inputs.tolist(), batch.lengths.tolist())}
    assert asked == set(RELATION_LABELS)
    masks = task.slice_masks(batch)
    counts = {name: int(mask.sum()) for name, mask in masks.items()}
    assert sum(counts.values()) == 500
    assert all(count > 60 for count in counts.values()), counts


def test_a_family_question_stays_within_its_steps():
    task = FamilyRelations(max_steps=1)
    batch = task.sample(50, 5, seeded())
    asked = {phases(s[:n])[0][1][0][1] for s, n in zip(batch.inputs.tolist(), batch.lengths.tolist())}
    assert asked == {0, 1}


@pytest.mark.parametrize("kind", [GraphTraversal, ShortestPath])
def test_slices_are_by_the_triples_of_an_answer(kind):
    task = kind()
    batch = task.sample(200, 10, seeded())
    predictions = batch.targets.clone()
    long = batch.mask.sum(1) > 2
    predictions[long] = predictions[long].roll(1, -1)  # every digit wrong
    scores = task.scores(predictions, batch)
    shown = {name: float(value) for name, value in scores.items() if "path" in name}
    expected = {f"accuracy_path{n}": float(n <= 2) for n in range(1, task.max_path + 1)}
    assert shown == expected


def test_one_wrong_digit_is_a_wrong_triple():
    task = GraphTraversal(min_path=2, max_path=2)
    batch = task.sample(2, 5, seeded())
    predictions = batch.targets.clone()
    step = int(batch.mask[0].nonzero()[0])
    predictions[0, step, :10] = predictions[0, step, :10].roll(1)
    assert task.errors(predictions, batch).tolist() == [1, 0]


def test_the_loss_is_the_mean_over_digits():
    task = GraphTraversal(min_path=1, max_path=1)
    batch = task.sample(3, 4, seeded())
    outputs = torch.randn(batch.targets.shape, generator=seeded(1))
    total = 0.0
    for b, length in enumerate(batch.lengths.tolist()):
        for digit in range(9):
            part = slice(10 * digit, 10 * digit + 10)
            chosen = int(batch.targets[b, length - 1, part].argmax())
            total -= float(outputs[b, length - 1, part].log_softmax(-1)[chosen])
    assert float(task.loss(outputs, batch)) == pytest.approx(total / 27, rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GraphTraversal(max_degree=1), "max_degree is 1, below min_degree 2"),
        (lambda: GraphTraversal(min_length=1), "min_length is 1; give a whole number of at least 2"),
        (lambda: ShortestPath(planning=-1), "planning is -1"),
        (lambda: FamilyRelations(max_steps=5), "the most edges is 4, below max_steps 5"),
        (lambda: FamilyRelations().sample(1, 250, seeded()), "length is 250; give 249 families at most"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
