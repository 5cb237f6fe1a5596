"""Every paradigm of the paper on one trainer: `trainer.MixedGRPOTrainer`, a subclass of TRL's.

    paradigm = ParadigmSettings(
        objective=ObjectiveSettings("luffy", reduction="const", clip=None, entropy_coef=0.001),
        planner=PlannerSettings(n_expert=1),
    )
    args = GRPOConfig(..., num_generations=8, **trl_arguments(paradigm))
    MixedGRPOTrainer(paradigm=paradigm, args=args, model=..., reward_funcs=..., train_dataset=...)

`configuration` says what a paradigm consists of and needs neither TRL nor PyTorch; `version` is the
door to TRL; the rest is what a generation batch goes through: `experts` (trajectories to tokens),
`stream` (prompts of dynamic sampling), `plan` (who writes which row), `forcing` (prefixes while
generating), `generation`, `agreement` (vLLM against the trainer), `rounds` (dynamic sampling),
`gating` (UPT's gate), `rows` and `batch` (the rows as tensors), `padding` (what a pass leaves out),
`history` (figures of a step) and `state` (what a checkpoint adds).
"""
