"""A small learner, and a quiet trainer for it."""

import lightning.pytorch as pl
import torch

from memnets import NTM
from memnets.training import SequenceLearner
from memnets_tasks import Copy

CHECKS = {"val_check_interval": 2, "check_val_every_n_epoch": None, "num_sanity_val_steps": 0}
"""Validations after every second step."""


def learner(**settings):
    task = Copy(bits=3, max_length=4)
    torch.manual_seed(0)
    model = NTM(task.input_size, 8, output_size=task.output_size, slots=6, width=4)
    return SequenceLearner(model, task, **{"batch_size": 4, "validation_size": 4, **settings})


def trainer(**settings) -> pl.Trainer:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return pl.Trainer(
        **{"accelerator": "cpu", "enable_model_summary": False, "max_epochs": -1, "max_steps": 4, **quiet, **settings}
    )
