"""Every paradigm of the paper on one trainer: `trainer.MixedGRPOTrainer`, a subclass of TRL's.

    paradigm = ParadigmSettings(
        objective=ObjectiveSettings("luffy", reduction="const", clip=None, entropy_coef=0.001),
        planner=PlannerSettings(n_expert=1),
    )
    args = GRPOConfig(..., num_generations=8, **make_trl_arguments(paradigm))
    MixedGRPOTrainer(paradigm=paradigm, args=args, model=..., reward_funcs=..., train_dataset=...)

`retu.config.paradigm` says what a paradigm consists of and needs neither TRL nor PyTorch. Modules,
in the order in which a generation batch meets them:

prompts     `trl_version` imports TRL's trainer, `trainer_checks` refuses what it cannot do,
            `expert_choice` keeps prompts with a usable trajectory, `expert_tokens` encodes these,
            `prompt_sampler` gives dynamic sampling its prompts
rows        `row_roles` and `row_plan` say who writes which row, `prefix_schedule` how long prefixes
            are; `generation` generates, with `prefix_logits` (prefixes), `logprob_check` (vLLM
            against the trainer), `generation_rounds` and `dynamic_sampling` (rounds, and groups
            worth training on), `upt_gate` and `gated_rollouts` (UPT), `win_counts`
tensors     `row_tensors`, `policy_batches`, `token_batch`, `gate_rows`; `padding` is what a forward
            pass leaves out
loss        `advantages`; `objective` finds the loss in `paradigm_losses`, which are made of
            `surrogate`, `imitation` and `reduction`; `loss_metrics` and `step_metrics` log it
resume      `resume_state` is what a checkpoint adds
"""
