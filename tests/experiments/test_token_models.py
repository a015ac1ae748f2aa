"""Experiments whose inputs are tokens: the model's input_size is that of their embedding, which the file says."""

import pytest

from memnets.experiments.catalogue import find_experiment
from memnets.experiments.config import instantiate, parse_experiment, to_yaml


@pytest.mark.parametrize("name", ["mqar-lstm", "mqar-ntm"])
def test_the_size_of_an_embedding_is_that_of_the_file_and_is_kept(name, tmp_path):
    _, path = find_experiment(name)
    for _ in range(2):
        parser, config = parse_experiment(path)
        model = instantiate(parser, config).model
        assert (model.vocabulary, model.embedding.embedding_dim, model.output_size) == (8192, 64, 8192)
        path = tmp_path / "config.yaml"
        path.write_text(to_yaml(parser, config))


def test_of_vectors_the_task_says_the_size():
    _, path = find_experiment("serial-recall-ntm")
    parser, config = parse_experiment(path)
    assert instantiate(parser, config).model.input_size == 10
    assert "input_size" not in to_yaml(parser, config)
