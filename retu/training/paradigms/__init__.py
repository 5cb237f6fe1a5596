"""Every paradigm of the paper on one trainer: `trainer.MixedGRPOTrainer`, a subclass of TRL's.

    paradigm = ParadigmSettings(
        objective=ObjectiveSettings("luffy", reduction="const", clip=None, entropy_coef=0.001),
        planner=PlannerSettings(n_expert=1),
    )
    args = GRPOConfig(..., num_generations=8, **make_trl_arguments(paradigm))
    MixedGRPOTrainer(paradigm=paradigm, args=args, model=..., reward_funcs=..., train_dataset=...)

`retu.config.paradigm` says what a paradigm consists of and needs neither TRL nor PyTorch. Modules,
in the order in which a generation batch meets them:

prompts     `checks` refuses what the trainer cannot do, `experts` turns trajectories into tokens
            and keeps the prompts that have a usable one
rows        `row_plan` says who writes which row, `prefix` how long prefixes are; `generation` makes
            and scores the rows, `dynamic_sampling` rounds of them until there are groups worth
            training on; `upt_gate` exchanges rollouts for experts; `advantages` compares rewards
tensors     `batch`, from TRL's dictionaries to what a loss reads; `forward` scores their tokens
loss        `trainer` finds it in `losses`; these are made of `token_losses`, and `reduction` makes
            one number of them; `metrics` is what is logged
resume      `resume` is what a checkpoint adds
"""
