"""An SFT trainer whose validation loss is the mean over all learnt tokens.

The trainers' own is a mean of means: of the batches' losses, each counted by its rows. It changes
with the size of a batch and the number of processes, which also fill up the last batches with rows
that they have seen. Small differences of this loss decide between sub-phases, so it is exact here.
"""

from typing import TYPE_CHECKING, Any

import torch
from trl import SFTTrainer

from workflow_scripts.training.sharing import SharedLoader
from workflow_scripts.training.tokens import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset


class EvaluatedTrainer(SFTTrainer):
    """`trl.SFTTrainer`; its validation set must fill the batches of all processes (`filled`)."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        share = self.accelerator.deepspeed_ulysses_dl_adapter
        self.accelerator.deepspeed_ulysses_dl_adapter = lambda loader, model: SharedLoader(
            share(loader, model), self
        )

    def evaluation_loop(self, *given: Any, metric_key_prefix: str = "eval", **options: Any) -> Any:
        """TRL's, with the loss over tokens; of a single batch it is TRL's own to the bit."""
        self._sums: list[tuple[float, int]] = []
        output = super().evaluation_loop(*given, metric_key_prefix=metric_key_prefix, **options)
        local = torch.tensor(self._sums, dtype=torch.float64).sum(0)
        loss, tokens = self.accelerator.reduce(local.to(self.args.device)).tolist()
        if len(self._sums) > 1 or self.accelerator.num_processes > 1:
            output.metrics[f"{metric_key_prefix}_loss"] = loss / tokens
        return output

    def prediction_step(
        self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None
    ) -> Any:
        """TRL's, noting the batch's loss and how many tokens it is the mean of."""
        result = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        tokens = int((inputs["labels"][:, 1:] != IGNORED).sum())
        self._sums.append((float(result[0]) * tokens, tokens))
        return result


def filled(dataset: "Dataset", rows: int) -> "Dataset":
    """The validation set with so many rows without a loss that batches of `rows` are full."""
    from datasets import Dataset, concatenate_datasets

    missing = -len(dataset) % rows
    if not missing:
        return dataset
    # The shortest row there is: two tokens, of which none is learnt.
    empty = dict(dataset[0], input_ids=dataset[0]["input_ids"][:2], labels=[IGNORED] * 2)
    rest = Dataset.from_list([empty] * missing, features=dataset.features)
    return concatenate_datasets([dataset, rest])
