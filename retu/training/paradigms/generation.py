"""The generation half of the trainer: plans who writes which row, samples, scores, gates.

Overridden hooks of TRL's trainer, each around TRL's own method:

    _generate_and_score_completions     plan rows, sample in rounds, gate, complete the batch
    _generate_single_turn               generate what the policy writes, insert what it does not
    _calculate_rewards                  keep the rewards of all processes
    _get_per_token_logps_and_entropies  not before the rows are final
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from retu.config.paradigm import ParadigmSettings, check_paradigm, check_trl_arguments
from retu.config.planner import SwitchGate
from retu.models.generation_config import clear_sampling_settings
from retu.training.paradigms.batch import (
    CompletionRows,
    gather_rows,
    make_buffer,
    make_scored_rows,
    select_groups,
    trim_padding,
)
from retu.training.paradigms.checks import (
    check_model,
    check_parts,
    check_size,
    measure_engine_gap,
    refuse_unscored_rows,
)
from retu.training.paradigms.dynamic_sampling import (
    PromptStream,
    SamplingRule,
    compute_sampling_metrics,
    sample_groups,
    start_sampling,
)
from retu.training.paradigms.experts import (
    EXPERT_TOKENS,
    add_expert_tokens,
    check_experts,
    grade_experts,
    hide_expert_tokens,
)
from retu.training.paradigms.forward import CompactForwardTrainer
from retu.training.paradigms.metrics import StepMetrics
from retu.training.paradigms.prefix import force_prefixes, make_prefix_schedule
from retu.training.paradigms.row_plan import PlannedRow, Role, RowPlanner, group_rows_by_author
from retu.training.paradigms.upt_gate import apply_gate, compute_gate_metrics, decide_route

PromptInputs = Sequence[Mapping[str, Any]]


class PlannedGenerationTrainer(CompactForwardTrainer):
    """A GRPO trainer whose rows follow a paradigm; see `MixedGRPOTrainer` for the arguments."""

    train_dataset: Any
    _rewards: Tensor

    def __init__(
        self, *, paradigm: ParadigmSettings, args: Any, train_dataset: Any, **others: Any
    ) -> None:
        check_paradigm(paradigm, args.num_generations, "paradigm")
        check_trl_arguments(paradigm, args)
        check_parts(train_dataset, others)
        self.paradigm = paradigm
        self._plan: tuple[PlannedRow, ...] | None = None
        self._step_metrics = StepMetrics()
        super().__init__(args=args, train_dataset=train_dataset, **others)
        clear_sampling_settings(self.model)
        check_model(self)
        self._groups: int = args.generation_batch_size // args.num_generations
        self._pad: int = self._tokenizer.pad_token_id
        self._prepare_experts()
        check_size(self.train_dataset, self._groups)
        prefix = paradigm.planner.prefix
        schedule = (
            None
            if prefix is None
            else make_prefix_schedule(prefix, args.max_steps, args.seed, "paradigm.planner")
        )
        self._planner = RowPlanner(paradigm.planner, args.num_generations, schedule)
        self._stream = PromptStream(len(self.train_dataset), args.seed, args.shuffle_dataset)
        self._rule: SamplingRule | None = None
        if (sampling := paradigm.planner.dynamic_sampling) is not None:
            self._rule = SamplingRule(sampling, args.num_generations, self._groups)
            self._sampling = start_sampling(self._rule)

    def _prepare_experts(self) -> None:
        """Turn trajectories into tokens and leave prompts out that have none to train on."""
        if not self.paradigm.planner.needs_experts:
            return
        settings = self.paradigm.planner.experts
        self.train_dataset, self.expert_choice = add_expert_tokens(
            self.train_dataset,
            self._tokenizer,
            self.eos_token_ids,
            self.max_completion_length,
            settings,
            self.chat_template_kwargs,
            "train_dataset",
        )
        check_experts(self._grade_experts, self.train_dataset, settings, self.accelerator)

    def _grade_experts(self, rows: PromptInputs) -> Tensor:
        """Gathered rewards (rows of all processes, functions) of the rows' expert trajectories."""
        return grade_experts(super()._calculate_rewards, self.processing_class, rows)

    def _generate_and_score_completions(self, inputs: PromptInputs) -> dict[str, Any]:
        """Make the rows of the next updates: tensors (B, ...), B the rows of this process."""
        if self.paradigm.is_plain or not self.model.training:
            output: dict[str, Any] = super()._generate_and_score_completions(inputs)
            return output
        share = self._groups // self.accelerator.num_processes
        first = self.accelerator.process_index * share
        if self._rule is None:
            rows = self._score_groups(inputs, first)
        else:
            rule = self._rule
            sampled = sample_groups(
                self._sampling, rule, lambda at: self._generate_round(rule, at), self._pad
            )
            self._sampling = sampled.state
            self._step_metrics.values |= compute_sampling_metrics(sampled.batch.counts, rule)
            rows = select_groups(sampled.rows, range(first, first + share), self.num_generations)
        return self._make_buffer(trim_padding(rows))

    def _generate_round(self, rule: SamplingRule, first: int) -> CompletionRows:
        """A round of dynamic sampling from this position of the stream: rows of all processes."""
        share = rule.gen_prompts // self.accelerator.num_processes
        mine = first + self.accelerator.process_index * share
        prompts = [
            self.train_dataset[self._stream.get_row_index(mine + index)] for index in range(share)
        ]
        inputs = [prompt for prompt in prompts for _ in range(self.num_generations)]
        return gather_rows(self._score_groups(inputs, mine), self.accelerator, self._pad)

    def _score_groups(self, inputs: PromptInputs, first: int) -> CompletionRows:
        """Generate and score whole groups, of which the first has this number among the step's."""
        plan = self._planner.plan_rows(inputs, self.state.global_step, first)
        self._plan = plan
        try:
            output = super()._generate_and_score_completions(hide_expert_tokens(inputs))
        finally:
            self._plan = None
        settings, rollouts = self.paradigm.advantage, self.num_generations
        verdicts = self._split_verdicts(self._rewards)
        rows = make_scored_rows(output, plan, *verdicts, rollouts, settings)
        gate = self.paradigm.planner.gate
        return rows if gate is None else self._apply_gate(gate, rows, inputs[::rollouts])

    def _apply_gate(
        self, gate: SwitchGate, rows: CompletionRows, prompts: PromptInputs
    ) -> CompletionRows:
        """Apply UPT's gate; every prompt's expert is graded, so that all processes do the same."""
        groups = self._rewards[:, 0].view(-1, self.num_generations).tolist()
        routes = [decide_route(rewards, gate, "switch gate") for rewards in groups]
        experts = [row[EXPERT_TOKENS] for row in prompts]
        verdicts = self._grade_experts(prompts)
        self._step_metrics.add_samples("success_expert", verdicts[:, 0])
        self._step_metrics.values |= compute_gate_metrics(routes)
        first = self.accelerator.process_index * len(experts)
        mine = routes[first : first + len(experts)]
        return apply_gate(
            rows, mine, experts, self._split_verdicts(verdicts), self.paradigm.advantage, self._pad
        )

    def _split_verdicts(self, rewards: Tensor) -> tuple[Tensor, Tensor]:
        """This process's part of gathered rewards, (rows, functions): first one, weighted sum."""
        count = len(rewards) // self.accelerator.num_processes
        mine = rewards[self.accelerator.process_index * count :][:count]
        return mine[:, 0], (mine * self.reward_weights.to(mine.device)).sum(-1)

    def _make_buffer(self, rows: CompletionRows) -> dict[str, Tensor]:
        """The rows as TRL's buffer, with log-probabilities that later updates compare with."""
        batch = make_buffer(rows, self.num_generations, self.paradigm.advantage)
        if self.args.gradient_accumulation_steps != self._micro_batches_a_generation:
            batch["old_per_token_logps"] = self._compute_log_probs(self.model, batch)
        if self.paradigm.objective.kl_coef > 0:
            batch["ref_per_token_logps"] = self._compute_log_probs(self.ref_model, batch)
        return batch

    @property
    def _micro_batches_a_generation(self) -> int:
        """After how many micro-batches new rows are generated."""
        return int(self.args.steps_per_generation * self.num_iterations)

    def _get_per_token_logps_and_entropies(self, *given: Any, **options: Any) -> Any:
        """TRL's, but nothing while rows are generated: not all of them will be trained on."""
        if self._plan is not None:
            return None, None, None
        return super()._get_per_token_logps_and_entropies(*given, **options)

    def _generate_single_turn(
        self, prompt_ids: Any, images: Any, multimodal_fields: Any, num_generations: int, **_: Any
    ) -> tuple[list[list[int]], Any]:
        """Completions of all rows: what the expert wrote, then what the policy writes."""
        if self._plan is None:
            written, log_probs = self._sample_completions(
                prompt_ids, num_generations, images, multimodal_fields
            )
        else:
            written, log_probs = self._write_rows(self._plan, prompt_ids), None
        if self.model.training:
            plan = self._plan or [PlannedRow(Role("on_policy"))] * len(written)
            self._step_metrics.count_generations(plan, prompt_ids, written, self.eos_token_ids)
        return written, log_probs

    def _write_rows(self, plan: Sequence[PlannedRow], prompt_ids: Any) -> list[list[int]]:
        """Let the policy write its part of planned rows."""
        own = [index for index, row in enumerate(plan) if row.is_generated]
        prompts = [prompt_ids[index] for index in own]
        given = [list(plan[index].given) for index in own]
        # Of every n prompts in a row TRL sends the first to a vLLM server, for n completions.
        repeats = 1 if any(given) else self.num_generations - self.paradigm.planner.n_expert
        if self.use_vllm or self.use_transformers_continuous_batching:
            prompts = [[*ids, *row] for ids, row in zip(prompts, given, strict=True)]
            made, _ = self._sample_completions(prompts, repeats)
            made = [[*row, *tokens] for row, tokens in zip(given, made, strict=True)]
        elif self._can_decode():
            made = self._decode_completions(prompts, given)
        else:
            with force_prefixes(self.accelerator.unwrap_model(self.model_wrapped), given):
                made, _ = self._sample_completions(prompts, repeats)
        completions = [list(row.given) for row in plan]
        for index, row, tokens in zip(own, given, made, strict=True):
            if tokens[: len(row)] != row:
                raise RuntimeError("generation did not start with the tokens of the expert")
            completions[index] = tokens[: self.max_completion_length]
        return completions

    def _sample_completions(
        self, prompts: Any, repeats: int, images: Any = None, multimodal_fields: Any = None
    ) -> tuple[list[list[int]], Any]:
        """Sample completions; vLLM's log-probabilities must agree with the trainer's."""
        if images is None and self._can_decode():
            return self._decode_completions(prompts), None
        made, log_probs = super()._generate_single_turn(
            prompts, images, multimodal_fields or {}, repeats
        )
        if self.use_vllm and log_probs is not None and self.model.training:
            self._step_metrics.values["engine_gap"] = measure_engine_gap(
                super()._get_per_token_logps_and_entropies,
                self.model,
                (prompts, made, log_probs),
                self.args,
                self.state.global_step,
            )
        return made, log_probs

    def _calculate_rewards(self, *inputs: Any) -> Tensor:
        """TRL's gathered rewards (rows of all processes, functions), of which a copy is kept."""
        rewards: Tensor = super()._calculate_rewards(*inputs)
        if self.model.training:
            if self._plan is not None:
                refuse_unscored_rows(rewards)
            self._rewards = rewards
            verdicts = rewards[:, 0].view(-1, self.num_generations)
            for author, indices in group_rows_by_author(self._plan, self.num_generations).items():
                self._step_metrics.add_samples(f"success_{author}", verdicts[:, indices])
        return rewards
