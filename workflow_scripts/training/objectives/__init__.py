"""The losses of SFT, RL and the paradigms that mix them, in PyTorch alone.

`objective.objective` is what a trainer calls for every micro-batch. What it needs before, once for
every generated batch: advantages (`advantages`), UPT's switch (`gate`) and the totals of the
optimiser window (`reduction`). An example, a window of a single micro-batch:

    advantage = group_advantage(reward, prompt, divide_by_std=False, expert_row=expert_row)
    counts = WindowCounts.from_totals(window_totals(mask, expert_row), length_limit=8192)
    batch = PolicyBatch(log_prob, old_log_prob, entropy, mask, advantage, expert_row=expert_row)
    settings = ObjectiveSettings("luffy", reduction="const", clip=None, entropy_coef=0.001)
    objective(batch, settings, counts).loss.backward()
"""
