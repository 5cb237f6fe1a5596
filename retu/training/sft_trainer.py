"""An SFT trainer whose losses are means over all learnt tokens, or over all rows, of an update.

The validation loss of the trainers is a mean of means: of the batches' losses, each counted by its
rows. It changes with the size of a batch and the number of processes, which also fill up the last
batches with rows that they have seen. Small differences of this loss decide between sub-phases, so
it is exact here.

The training loss is such a mean of means, too, where processes share sequences: the library counts
no tokens then. Here every token of an update counts the same in that case as in all others.

With `reduction: row` every row of an update counts the same, however many tokens it has. The
validation loss is the mean over tokens in either case.
"""

from typing import Any

import torch
from torch.utils.data import DataLoader
from trl import SFTTrainer

from retu.core.errors import InputError
from retu.runtime.processes import get_world_size
from retu.training.batch_filling import FilledSampler, add_empty_rows, fill_batches
from retu.training.memory.adapters import AdapterSaving
from retu.training.memory.compact_head import install_compact_head, unwrap_adapter
from retu.training.memory.labels import IGNORED_LABEL
from retu.training.memory.micro_batches import bucket_rows, split_by_tokens
from retu.training.row_means import count_learnt_rows, sum_row_means
from retu.training.sequence_parallel import SequenceParallelLoader

SHARED_LABELS = "shift_labels"
"""Where DeepSpeed's loader puts the labels of a part of a sequence."""


class UpdateMeanSFTTrainer(AdapterSaving, SFTTrainer):
    """`trl.SFTTrainer`; batches of several processes are filled with rows without a loss.

    Args:
        args, eval_dataset, options: as TRL's.
        eval_tokens: of a validation batch at most, padding included; None: as many as it takes.
        bucketed: whether the rows of an update are dealt out to micro-batches by their length.
        by_rows: whether the training loss is a mean over rows of the means over their tokens.

    Raises:
        InputError: a mean over rows is asked of a model with a loss of its router.
    """

    # Losses are divided by the update's tokens here, also of shared sequences; the trainer takes
    # those for means of micro-batches and would divide them by their number besides.
    loss_is_scaled_for_ga = True
    train_dataset: Any
    _filled: FilledSampler | None = None

    def __init__(
        self,
        *,
        args: Any,
        eval_dataset: Any = None,
        eval_tokens: int | None = None,
        bucketed: bool = False,
        by_rows: bool = False,
        **options: Any,
    ) -> None:
        self.bucketed, self.by_rows = bucketed, by_rows
        self._eval_batches: list[list[int]] | None = None
        if eval_dataset is not None:
            eval_dataset = self._limit_eval_batches(args, eval_dataset, eval_tokens)
        super().__init__(args=args, eval_dataset=eval_dataset, **options)
        if by_rows and self.aux_loss_enabled:
            raise InputError(
                "recipes.sft: reduction: row leaves out the loss of the model's router; set it to"
                " token"
            )
        install_compact_head(unwrap_adapter(self.model), top1=True)
        share = self.accelerator.deepspeed_ulysses_dl_adapter
        self.accelerator.deepspeed_ulysses_dl_adapter = lambda loader, model: (
            SequenceParallelLoader(share(loader, model), self)
        )

    def _limit_eval_batches(self, args: Any, rows: Any, budget: int | None) -> Any:
        """The validation set, whose batches will hold so many tokens at most.

        Several processes take batches of one size; one process takes rows of similar length.
        """
        size, processes = args.per_device_eval_batch_size, get_world_size()
        lengths = list(map(len, rows["input_ids"]))
        budget = budget or size * max(lengths)
        too_large = min(size, len(rows)) * max(lengths) > budget
        if processes == 1 and (too_large or self.bucketed):
            self._eval_batches = split_by_tokens(lengths, budget, size)
        if too_large:
            args.per_device_eval_batch_size = max(1, min(size, budget // max(lengths)))
        if processes == 1:
            return rows
        return fill_batches(rows, args.per_device_eval_batch_size * processes)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """TRL's data loader, or one whose batches hold a limited number of tokens."""
        given = eval_dataset is not None and eval_dataset is not self.eval_dataset
        if given or self._eval_batches is None:
            return super().get_eval_dataloader(eval_dataset)
        rows = self._remove_unused_columns(self.eval_dataset, description="evaluation")
        return self.accelerator.prepare(
            DataLoader(rows, batch_sampler=self._eval_batches, collate_fn=self.data_collator)
        )

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """TRL's micro-batches of an update, their rows dealt out by length if asked for."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.bucketed and len(batches) > 1:
            batches = bucket_rows(batches, self.data_collator.pad_token_id)
        return batches, items

    def get_train_dataloader(self) -> Any:
        """TRL's data loader, without repeating rows of other processes to fill the last batch."""
        rows, processes = self.train_dataset, self.accelerator.num_processes
        together = self.args.per_device_train_batch_size * processes
        if processes == 1 or len(rows) % together == 0:
            return super().get_train_dataloader()
        self._filled = FilledSampler(len(rows), together, self.args.data_seed)
        self.train_dataset = add_empty_rows(rows, 1)
        try:
            return super().get_train_dataloader()
        finally:
            self.train_dataset, self._filled = rows, None

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """TRL's, or the one of a data set with an empty row."""
        return self._filled or super()._get_train_sampler(train_dataset)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> Any:
        """TRL's count of an update's learnt tokens, also where they come in parts of sequences.

        Where the loss is a mean over rows, the rows with a learnt token, of all processes.
        """
        if self.by_rows and batch_samples:
            rows = torch.stack([count_learnt_rows(batch) for batch in batch_samples]).sum()
            return self.accelerator.reduce(rows.to(device))
        if not batch_samples or SHARED_LABELS not in batch_samples[0]:
            return super()._get_num_items_in_batch(batch_samples, device)
        parts = [(batch[SHARED_LABELS] != IGNORED_LABEL).sum() for batch in batch_samples]
        return self.accelerator.reduce(torch.stack(parts).sum().to(device))

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's loss, or this batch's addend of the update's where TRL's would be another.

        That is with rows in parts, or a mean over rows. The gradients of all processes are
        averaged, and each of them has other rows, or with ZeRO's stage 3 another part of a row.
        """
        shared = SHARED_LABELS in inputs
        if not (shared or self.by_rows) or not self.model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = {"labels": inputs[SHARED_LABELS]} if shared else {}
        outputs = model(**{**inputs, **labels}, use_cache=False, fused_lm_head=True)
        share = num_items_in_batch.clamp(min=1) / self.accelerator.num_processes
        log_probs = outputs.log_probs
        summed = sum_row_means(log_probs, inputs) if self.by_rows else log_probs.sum()
        loss = -summed / share
        return (loss, outputs) if return_outputs else loss

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
        tokens = int((inputs["labels"][:, 1:] != IGNORED_LABEL).sum())
        self._sums.append((float(result[0]) * tokens, tokens))
        return result
