"""Another learning rate from where a run is resumed."""

from collections.abc import Mapping

import lightning.pytorch as pl

CHANGEABLE = ("lr", "weight_decay")
"""Settings of an optimiser that its state does not depend on."""


class ChangeOptimizer(pl.Callback):
    """Sets the optimiser's ``lr`` or ``weight_decay``, which a checkpoint otherwise brings along as it was.

    A rate that is being annealed keeps its share: the whole rate is the new one.

    Args:
        values: what to set, by name.
    """

    def __init__(self, values: Mapping[str, float]):
        self.values = dict(values)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The checkpoint has been loaded by now."""
        for group in trainer.optimizers[0].param_groups:
            for name, value in self.values.items():
                share = group[name] / group["full_lr"] if name == "lr" and group.get("full_lr") else 1.0
                group[name] = value * share
                if name == "lr" and "full_lr" in group:
                    group["full_lr"] = value
