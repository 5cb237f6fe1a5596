"""The processes of one job: how many there are, which one this is, and waiting for each other.

The launcher (torchrun, or srun by way of `retu.runtime.launch`) says so in `RANK` and
`WORLD_SIZE`; without them a job is one process. Torch is imported by whoever has company only.
"""

import os


def get_world_size() -> int:
    """How many processes the job has, on all its nodes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def get_rank() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_main_process() -> bool:
    """Whether this is the process that writes what the job is for."""
    return get_rank() == 0


def wait_for_everyone() -> None:
    """Return once every process is here; all must call it, equally often.

    The first call connects the processes if no trainer has done so yet.
    """
    if get_world_size() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def is_true_in_any_process(flag: bool) -> bool:
    """Whether `flag` holds in at least one process; all must ask, and all get the same answer."""
    if get_world_size() == 1:
        return flag
    import torch
    import torch.distributed
    from accelerate import PartialState

    found = torch.tensor([int(flag)], device=PartialState().device)
    torch.distributed.all_reduce(found, op=torch.distributed.ReduceOp.MAX)
    return bool(found.item())
