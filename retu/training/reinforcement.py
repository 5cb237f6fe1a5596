"""Reinforcement learning by any paradigm, evaluated while it runs.

Every `evaluate_every` steps the benchmarks are answered by the model as it is, the answers are put
on disk, and the training state is saved.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from retu.compute.flops import EFLOPS, ModelShape, rl_flops
from retu.config.execution import VllmSettings
from retu.config.paradigm import make_trl_arguments
from retu.config.study import RlRecipe
from retu.core.errors import InputError
from retu.data.chat import (
    check_same_prompt,
    encode_example,
    encode_prompt,
    get_prompt_ids,
    make_rl_prompt,
)
from retu.models.trainer_arguments import (
    make_accumulation_arguments,
    make_memory_arguments,
    make_trainer_arguments,
)
from retu.planning.jobs import RlJob
from retu.runtime.processes import get_world_size, is_main_process
from retu.runtime.progress import ProgressCallback
from retu.training.checkpoints import NanGuard, SaveCallback, list_due_steps
from retu.training.inline_evaluation import InlineEvaluation, InlineEvaluationCallback
from retu.training.paradigms.metrics import METRIC_PREFIX
from retu.training.pauses import PauseCallback

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import GRPOConfig

    from retu.training.paradigms.trainer import MixedGRPOTrainer

# Wall-clock times do not belong among results that two equal runs must share to the byte.
NOT_REPEATABLE = (
    *("step_time", "train_runtime"),
    *("train_samples_per_second", "train_steps_per_second"),
)

SERVER = "RETU_VLLM_SERVER"
"""Where the vLLM server listens that generates for RL, as host:port."""

TRIED_PROMPTS = 3
"""Problems of a set by which it is tried whether all stages show them alike."""


@dataclass(frozen=True)
class ReinforcementRun:
    """What an RL run needs besides its job and its model: data, reward and where its state is.

    `longest` is the longest row that it can train on, prompt and answer, in tokens.
    """

    title: str
    job: RlJob
    tokenizer: "PreTrainedTokenizerBase"
    prompts: "Dataset"
    attempts: pd.DataFrame
    reward: Callable[..., list[float]]
    state: Path
    longest: int

    @property
    def inline_evaluation(self) -> InlineEvaluation:
        """What is answered while it trains."""
        job = self.job
        return InlineEvaluation(self.attempts, job.evaluation, job.execution.rl.vllm, self.state)


def list_evaluation_steps(recipe: RlRecipe) -> list[int]:
    """The steps at which an RL run is evaluated: every so many, and the last."""
    return list_due_steps([recipe.steps], recipe.evaluate_every, recipe.steps)


def make_grpo_config(
    job: RlJob,
    state: Path,
    ends: Sequence[int],
    environment: Mapping[str, str] = os.environ,
) -> "GRPOConfig":
    """TRL's configuration of the recipe: one optimiser step per generated batch.

    Args:
        job: what the study says of the run.
        state: the folder of its training state.
        ends: token ids at which an answer is over.
        environment: says where vLLM's server is.
    """
    from trl import GRPOConfig

    recipe, execution = job.recipe, job.execution
    sequences = recipe.prompts_per_step * recipe.rollouts
    return GRPOConfig(
        **make_trainer_arguments(state, execution, job.seed),
        max_steps=recipe.steps,
        **make_accumulation_arguments(execution.rl, sequences, get_world_size()),
        **make_memory_arguments(execution.rl),
        num_generations=recipe.rollouts,
        max_completion_length=recipe.max_completion_length,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.scheduler,
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        temperature=recipe.temperature,
        **make_vllm_arguments(execution.rl.vllm, ends, environment),
        logging_steps=1,
        **make_trl_arguments(recipe.paradigm),
    )


def make_vllm_arguments(
    vllm: VllmSettings | None, ends: Sequence[int], environment: Mapping[str, str]
) -> dict[str, Any]:
    """GRPOConfig's arguments about vLLM.

    It stops where evaluation does. Left alone it would stop where the start's files say, and those
    of a base model do not know the token that ends a turn of the chat template.

    Raises:
        InputError: a server is asked for and the environment does not say where it is.
    """
    if vllm is None:
        return {"use_vllm": False}
    arguments: dict[str, Any] = {
        "use_vllm": True,
        "vllm_mode": vllm.mode,
        "generation_kwargs": {"stop_token_ids": list(ends)},
    }
    if vllm.mode == "colocate":
        return arguments | {
            "vllm_tensor_parallel_size": vllm.tensor_parallel,
            "vllm_gpu_memory_utilization": vllm.memory,
            "vllm_max_model_length": vllm.max_length,
        }
    address = environment.get(SERVER, "")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(
            f"study: execution.rl.vllm.mode: is server, and {SERVER} is {address!r}; start"
            f" `vllm serve --generation-config vllm` and set {SERVER} to its host:port"
        )
    return arguments | {"vllm_server_base_url": f"http://{address}"}


def check_vllm_server(client: Any) -> None:
    """Refuse a vLLM server that follows its model's generation config.

    A request says all but one thing: a `max_new_tokens` there cuts every answer of the server.

    Args:
        client: TRL's client of the server.

    Raises:
        InputError: it was not started with `--generation-config vllm`.
    """
    followed = client.get_server_info()["model_config"].get("generation_config")
    if followed != "vllm":
        raise InputError(
            f"study: execution.rl.vllm.mode: the server follows a generation config ({followed});"
            " start it with --generation-config vllm, so that the study says how to sample"
        )


def make_rl_trainer(
    run: ReinforcementRun, config: "GRPOConfig", model: "PreTrainedModel"
) -> "MixedGRPOTrainer":
    """The trainer, with our evaluation, checkpoints, progress and guards.

    Args:
        run: what is run.
        config: made before the model was loaded: it says how weights are read with ZeRO's stage 3.
        model: the policy.

    Raises:
        InputError: the trainer would show the model other prompts than SFT and evaluation do, or a
            vLLM server would sample otherwise than the study says.
    """
    from retu.training.memory.adapters import make_adapter_config
    from retu.training.memory.micro_batches import find_token_budget, fit_micro_batch
    from retu.training.paradigms.trainer import MixedGRPOTrainer

    recipe, execution = run.job.recipe, run.job.execution
    budget = find_token_budget(execution.rl, execution.device, model.config)
    fit_micro_batch(config, execution.rl, run.longest, budget)
    steps = list_evaluation_steps(recipe)
    saved = list_due_steps(steps, recipe.save_every, recipe.steps)
    evaluation = InlineEvaluationCallback(run.inline_evaluation, steps)
    trainer = MixedGRPOTrainer(
        paradigm=recipe.paradigm,
        model=model,
        peft_config=make_adapter_config(recipe.lora),
        reward_funcs=run.reward,
        args=config,
        train_dataset=format_prompts(run.prompts, run.tokenizer),
        processing_class=run.tokenizer,
        callbacks=[
            evaluation,
            SaveCallback(saved, published=run.job.stops or [recipe.steps]),
            PauseCallback(run.job),
            NanGuard(),
            ProgressCallback(run.title),
        ],
    )
    check_shown_prompts(run, trainer)
    evaluation.trainer = trainer
    vllm = execution.rl.vllm
    if vllm is not None and vllm.mode == "server" and is_main_process():
        check_vllm_server(trainer.vllm_generation.vllm_client)
    return trainer


def check_shown_prompts(run: ReinforcementRun, trainer: "MixedGRPOTrainer") -> None:
    """InputError unless SFT, RL and evaluation show the model a problem alike."""
    tokenizer = run.tokenizer
    stages = {
        "SFT": lambda question: get_prompt_ids(encode_example(tokenizer, question, "")),
        "RL": lambda question: trainer._tokenize_prompts([make_rl_prompt(tokenizer, question)])[0][
            0
        ],
        "evaluation": lambda question: encode_prompt(tokenizer, question),
    }
    tried = [
        *run.prompts[:TRIED_PROMPTS]["prompt"],
        *run.attempts["prompt"].drop_duplicates()[:TRIED_PROMPTS],
    ]
    check_same_prompt(tokenizer, tried, stages)


def format_prompts(prompts: "Dataset", tokenizer: "PreTrainedTokenizerBase") -> "Dataset":
    """The data set with its prompts as RL's trainer takes them: conversations for chat models."""
    if not tokenizer.chat_template:
        return prompts
    turns = [make_rl_prompt(tokenizer, question) for question in prompts["prompt"]]
    return prompts.remove_columns("prompt").add_column("prompt", turns)


def tabulate_history(log_history: list[dict[str, Any]]) -> pd.DataFrame:
    """Every logged metric of every step, without wall-clock times."""
    rows = [entry for entry in log_history if "loss" in entry]
    frame = pd.DataFrame(rows).drop(columns=list(NOT_REPEATABLE), errors="ignore")
    return frame[["step", *sorted(set(frame.columns) - {"step"})]].astype({"step": int})


def tabulate_compute(history: pd.DataFrame, job: RlJob, shape: ModelShape) -> pd.DataFrame:
    """Cumulative RL compute at every step, by the paper's convention (appendix E).

    Every generated token costs one forward pass, those of discarded samples too, and every trained
    one three more. LUFFY and SRFT are charged a forward pass for the expert's tokens as well, which
    nobody generated. The mean length is that of the step's generated sequences.

    Returns:
        columns step, sequences, tokens (generated, cumulative), x_rl_eflops (cumulative).
    """
    rows, tokens, trained = (
        history[METRIC_PREFIX + name]
        for name in ("rows_generated", "tokens_generated", "tokens_trained")
    )
    forward = trained.clip(lower=tokens) if job.recipe.paradigm.planner.n_expert else tokens
    flops = [rl_flops(shape, *step) for step in zip(forward, trained, tokens / rows, strict=True)]
    return pd.DataFrame(
        {
            "step": history["step"],
            "sequences": rows.cumsum().astype(int),
            "tokens": tokens.cumsum().astype(int),
            "x_rl_eflops": pd.Series(flops, index=history.index).cumsum() / EFLOPS,
        }
    )


def measure_new_compute(compute: pd.DataFrame, job: RlJob) -> float:
    """EFLOPs of the steps that a job trained itself: without those before its first, if it goes on.

    Args:
        compute: `tabulate_compute`.
        job: with its `stops`, if it goes on from one of them.
    """
    before = compute.loc[compute["step"] <= job.first_step, "x_rl_eflops"].max()
    return float(compute["x_rl_eflops"].max()) - (before if job.first_step else 0.0)
