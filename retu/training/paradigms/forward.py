"""What the trainer does by itself: answers, and their log-probabilities without padding.

Overrides TRL's `_get_per_token_logps_and_entropies` and `_prepare_inputs`. On CPUs TRL computes the
log-probabilities of small batches, by the model's own decoder (`retu.models.lean_decoder`).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from retu.evaluation.decoding import DecodingSettings, can_decode, decode_answers
from retu.training.memory.adapters import AdapterSaving
from retu.training.memory.compact_head import install_compact_head, is_large_on_cpu, unwrap_adapter
from retu.training.memory.micro_batches import order_by_length
from retu.training.paradigms.batch import Batch, is_padding_cut_on, run_without_padding
from retu.training.paradigms.checks import import_grpo_trainer

GRPOTrainer: Any = import_grpo_trainer()


class CompactForwardTrainer(AdapterSaving, GRPOTrainer):
    """A GRPO trainer that computes what its rows need: no padding, no logits without a label."""

    _buffered_inputs: Any
    _entropies: Tensor | None = None  # of the last forward pass, (B, T), in nats

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        for model in filter(None, (self.model, self.ref_model)):
            is_policy = model is self.model
            install_compact_head(unwrap_adapter(model), self.temperature, entropy=is_policy)

    def _can_decode(self) -> bool:
        """Whether `decode_answers` may sample: a model that it can, whole, and nothing odd."""
        args = self.args
        plain = (args.top_p, args.top_k or 0, args.min_p, args.repetition_penalty)
        engines = self.use_vllm or self.use_transformers_continuous_batching
        usual = plain == (1.0, 0, None, 1.0) and not args.generation_kwargs and not engines
        return usual and can_decode(self.accelerator.unwrap_model(self.model_wrapped))

    def _decode_completions(
        self, prompts: Sequence[Sequence[int]], given: Sequence[Sequence[int]] = ()
    ) -> list[list[int]]:
        """Completions of prompts, which start with the given tokens."""
        length, temperature = self.max_completion_length, self.temperature
        how = DecodingSettings(
            length, temperature, self.eos_token_ids, self._tokenizer.pad_token_id
        )
        model = self.accelerator.unwrap_model(self.model_wrapped)
        return [tokens for tokens, _ in decode_answers(model, prompts, how, given)]

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """TRL's rows of the next micro-batch; those of a whole update are dealt out by length."""
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        batches, steps = self._buffered_inputs, self.args.steps_per_generation
        # An update of a part of the rows would be one of other rows.
        whole = steps == self.args.gradient_accumulation_steps
        if not self.model.training or batches is before or not whole or len(batches) == 1:
            return inputs
        ids = torch.cat([batches[0]["prompt_ids"], batches[0]["completion_ids"]], dim=1)
        if is_large_on_cpu(ids, self._vocabulary):
            self._buffered_inputs = batches = bucket_buffer(batches)
        return batches[self._step % steps]

    @property
    def _vocabulary(self) -> int:
        """Tokens that the model knows."""
        return int(self.model.config.get_text_config().vocab_size)

    @torch.no_grad()
    def _compute_log_probs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Log-probabilities (B, T) of completions, in micro-batches."""
        size = self.args.per_device_train_batch_size
        return self._run_forward(model, batch, batch_size=size)[0]

    def _run_forward(
        self, model: Any, batch: Mapping[str, Tensor], **options: Any
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities and, if asked for, entropies of completions, (B, T), in nats."""
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        width = batch["completion_ids"].shape[1]
        log_probs, entropies, _ = self._get_per_token_logps_and_entropies(
            model, ids, mask, width, **options
        )
        return log_probs, entropies

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        ids: Tensor,
        mask: Tensor,
        width: int,
        batch_size: int | None = None,
        **options: Any,
    ) -> Any:
        """TRL's, each micro-batch as short as its rows allow; entropies are kept."""
        forward = super()._get_per_token_logps_and_entropies
        cut = is_padding_cut_on(ids.device) or is_large_on_cpu(ids, self._vocabulary)
        # The loss that keeps a mixture's experts busy is no metric of a token.
        if self.aux_loss_enabled or not cut:
            outputs = forward(model, ids, mask, width, batch_size, **options)
        else:
            passes = partial(forward, model, **options)
            outputs = run_without_padding(passes, ids, mask, width, batch_size or len(ids))
        self._entropies = outputs[1]
        return outputs


def bucket_buffer(batches: Sequence[Batch]) -> list[Batch]:
    """The rows of TRL's buffer, in as many micro-batches, of similar length each.

    What belongs to no row, such as a count, stays.
    """
    lengths = torch.cat([b["prompt_mask"].sum(-1) + b["completion_mask"].sum(-1) for b in batches])
    groups = order_by_length(lengths, [len(batch["prompt_mask"]) for batch in batches])
    rows = {
        name: torch.cat([batch[name] for batch in batches])
        for name, tensor in batches[0].items()
        if isinstance(tensor, Tensor) and tensor.dim()
    }
    return [
        {**batch, **{name: tensor[group] for name, tensor in rows.items()}}
        for batch, group in zip(batches, groups, strict=True)
    ]
