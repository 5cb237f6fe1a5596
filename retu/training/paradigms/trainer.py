"""TRL's GRPO trainer with every paradigm of the paper.

A plain paradigm (GRPO, DAPO without dynamic sampling) leaves generation and loss to TRL, to the
bit, but for the entropy bonus: TRL's is a mean of each micro-batch, and an update would depend on
how its rows are split. Any other generates as `generation` says and trains by `losses`. Private
hooks of TRL's trainer that are overridden, there and here, and nowhere else:

    _generate_and_score_completions, _generate_single_turn, _calculate_rewards  in `generation`
    _get_per_token_logps_and_entropies  in `generation` and `forward`
    _compute_loss                       the paradigm's loss, by the totals of the window
    _get_grad_norm                      drop the gradient of an update whose norm is too large
    _save_checkpoint, _load_optimizer_and_scheduler, _get_train_sampler
                                        state of sampling, rows between two updates, and the order
                                        of prompts: a resumed run is the same run
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from retu.training.paradigms.generation import PlannedGenerationTrainer
from retu.training.paradigms.losses import compute_objective
from retu.training.paradigms.metrics import METRIC_PREFIX, StepMetrics, UpdateWindow, sum_window
from retu.training.paradigms.reduction import reduce_loss
from retu.training.paradigms.resume import (
    STATE_FILE,
    SavedState,
    dump_state,
    load_buffer,
    load_state,
    restore_state,
    save_buffer,
    save_state,
)
from retu.training.paradigms.token_losses import make_policy_batch


class MixedGRPOTrainer(PlannedGenerationTrainer):
    """`trl.GRPOTrainer` for a paradigm of the paper.

    The data set needs the columns `prompt` and what the reward functions ask for, and `expert`
    (the expert's answer as text) if the paradigm uses experts. The first reward function is the
    verdict, 0 or 1, by which right rows are counted; others are added for the advantages alone.

    Args:
        paradigm: the paradigm.
        args: TRL's `GRPOConfig`, made with `make_trl_arguments(paradigm)`.
        train_dataset: a `datasets.Dataset`.
        others: what else `GRPOTrainer` takes: model, reward_funcs, processing_class, ...

    Raises:
        InputError: settings that contradict each other or TRL's, or data the paradigm cannot use.
    """

    entropy_coef: float
    _window: UpdateWindow
    _steps_skipped = 0

    def _compute_loss(self, model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
        """The micro-batch's addend of the update's loss."""
        if not self.model.training:
            return super()._compute_loss(model, inputs)
        length = self.args.gradient_accumulation_steps
        index = self._step % length
        if index == 0:
            first = self._step % self.args.steps_per_generation
            batches = self._buffered_inputs[first : first + length]
            self._window = sum_window(
                batches, self._step_metrics.generated, self.accelerator, self.max_completion_length
            )
        if self.paradigm.is_plain:
            loss = self._compute_plain_loss(model, inputs)
        else:
            log_prob, entropy = self._run_forward(model, inputs, compute_entropy=True)
            batch = make_policy_batch(inputs, log_prob, entropy)
            terms = compute_objective(batch, self.paradigm.objective, self._window.counts)
            self._step_metrics.add_micro_batch(terms.terms, terms.metrics)
            loss = terms.loss
        if index == length - 1:
            self._close_window()
        return loss

    def _compute_plain_loss(self, model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
        """TRL's loss of a micro-batch with the entropy bonus of the window; alone in it, TRL's."""
        coefficient = self.entropy_coef
        if not coefficient:
            loss: Tensor = super()._compute_loss(model, inputs)
            return loss
        self.entropy_coef = 0.0
        try:
            loss = super()._compute_loss(model, inputs)
        finally:
            self.entropy_coef = coefficient
        logged = self._metrics["train"]["entropy_coef"]
        logged[-1:] = [coefficient] * len(logged[-1:])
        entropies, self._entropies = self._entropies, None
        mask = inputs["completion_mask"].bool()
        return loss - coefficient * reduce_loss(entropies, mask, "token_mean", self._window.counts)

    def _close_window(self) -> None:
        """Hand the update's metrics to TRL's log."""
        metrics = self._step_metrics.collect_metrics(self._window, self.accelerator)
        if not self.paradigm.is_plain:
            metrics["entropy"] = metrics[f"{METRIC_PREFIX}entropy"]
        for name, value in metrics.items():
            self._metrics["train"][name].append(value)
        self._step_metrics = StepMetrics()

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """The norm before clipping; above the limit the update is left out and counted."""
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        limit = self.paradigm.skip_step_grad_norm
        if limit is not None and not float(norm) <= limit:
            # An optimiser passes over weights without a gradient. Zeros would let moments move on
            # and weights decay.
            for parameter in model.parameters():
                parameter.grad = None
            self._steps_skipped += 1
        self._metrics["train"][f"{METRIC_PREFIX}steps_skipped"] = [self._steps_skipped]
        return norm

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        """TRL's sampler, of which a resumed run needs the later passes."""
        self._sampler = super()._get_train_sampler(dataset)
        return self._sampler

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """TRL's checkpoint, the state of sampling, and rows that a later update needs."""
        super()._save_checkpoint(model, trial)
        folder = Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}"
        if self.args.should_save:
            sampling = None if self._rule is None else dump_state(self._sampling)
            save_state(folder, SavedState(steps_skipped=self._steps_skipped, sampling=sampling))
        if self._step % self._micro_batches_a_generation:
            save_buffer(folder, self.accelerator.process_index, self._buffered_inputs)
        # Whoever marks the checkpoint as complete must find the files of all processes.
        self.accelerator.wait_for_everyone()

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """TRL's state, and ours: the run goes on as if it had never been interrupted."""
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        folder = Path(checkpoint)
        saved = load_state(folder)
        self._steps_skipped = saved.steps_skipped
        if self._rule is not None:
            self._sampling = restore_state(
                saved.sampling or {}, self._rule, str(folder / STATE_FILE)
            )
        # TRL's sampler starts with the order of the first pass, in whichever pass a run resumes.
        updates = len(self._sampler) // self.args.generation_batch_size
        updates //= self.args.gradient_accumulation_steps
        for _ in range(self.state.global_step // updates):
            next(iter(self._sampler))
        # It also counts micro-batches anew, which is right only where new rows are due.
        self._step = self.state.global_step * self.args.gradient_accumulation_steps
        if self._step % self._micro_batches_a_generation:
            index = self.accelerator.process_index
            self._buffered_inputs = load_buffer(folder, index, self.accelerator.device)
