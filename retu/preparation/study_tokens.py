"""What a study's models are shown: its tokenizer with the chat template that all stages use."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retu.compute.flops import ModelShape
from retu.config.files_study import FolderModel
from retu.core.errors import InputError
from retu.core.run_paths import FIRST_CHECKPOINT
from retu.core.validation import explain_mistakes
from retu.core.yaml_files import read_yaml
from retu.data.chat import encode_example, encode_prompt, encode_response, render_prompt
from retu.data.text_records import TextRecord
from retu.data.tokenizer import load_tokenizer
from retu.models.base_models import ModelSource, check_weight_files
from retu.models.context_extension import extend_context
from retu.models.template_checks import (
    PROBE_QUESTION,
    check_template,
    load_own_tokenizer,
    set_system_turn,
)
from retu.planning.files_plan import FilesPlan
from retu.planning.stages import ROOT

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHOWN_CHARACTERS = 700


@dataclass(frozen=True)
class StudyModel:
    """A model of a study: where its files are, its configuration, and its tokenizer."""

    name: str
    folder: Path
    config: dict[str, Any]
    tokenizer: "PreTrainedTokenizerBase"

    @property
    def weight_bytes(self) -> int:
        """Bytes of its weights on disk."""
        return sum(path.stat().st_size for path in self.folder.glob("model*.safetensors"))

    @property
    def parameters(self) -> float:
        """About how many weights it has."""
        stored = self.config.get("dtype") or self.config.get("torch_dtype")
        width = {"float32": 4, "bfloat16": 2, "float16": 2}.get(str(stored), 2)
        return self.weight_bytes / width


class ModelNotHereError(InputError):
    """A rule has to bring a model here first."""


def load_study_model(plan: FilesPlan, name: str) -> StudyModel:
    """A model of a study, from the user's folder or from where a rule has put it.

    Raises:
        ModelNotHereError: it is not here.
        InputError: its tokenizer or chat template cannot be used, or it refuses the system turn.
    """
    model = plan.study.models[name]
    if isinstance(model, FolderModel):
        return load_folder_model(name, model, plan.data.system, f"models.{name}")
    folder = Path("results", plan.study.name, "base", name, "checkpoints", FIRST_CHECKPOINT)
    if not (folder / "config.json").is_file():
        target = f"results/{plan.study.name}/base/{name}/manifest.json"
        command = ["snakemake", target, "--cores", "1", "--config", f"study={plan.study.name}"]
        raise ModelNotHereError(f"models.{name}: is not here yet ({shlex.join(command)} brings it)")
    return StudyModel(name, folder, read_yaml(folder / "config.json"), load_tokenizer(folder))


def load_folder_model(name: str, model: FolderModel, system: str | None, label: str) -> StudyModel:
    """A model of a folder as its first job will make it: with its template and the system turn.

    Raises:
        InputError: `label`, and what of the model cannot be used.
    """
    folder = Path(model.folder)
    config = read_yaml(folder / "config.json")
    with explain_mistakes(f"{label}: {folder}"):
        ModelShape.from_config(config)
        check_weight_files(ModelSource("model", {}), folder)
        if model.context:
            config = extend_context(config, model.context, "model")
    tokenizer = load_own_tokenizer(folder, f"{label}: {folder}")
    if model.template:
        path = ROOT / "chat_templates" / f"{model.template}.jinja"
        tokenizer.chat_template = path.read_text(encoding="utf-8")
    if system:
        set_system_turn(tokenizer, system, label)
    check_template(tokenizer, label)
    check_embedding(tokenizer, int(config["vocab_size"]), f"{label}: {folder}")
    return StudyModel(name, folder, config, tokenizer)


def check_embedding(tokenizer: "PreTrainedTokenizerBase", rows: int, label: str) -> None:
    """InputError if a tokenizer writes tokens that a model's embedding of so many rows lacks."""
    used = [*encode_prompt(tokenizer, PROBE_QUESTION), *encode_response(tokenizer, "42")]
    last = max([*used, tokenizer.pad_token_id or 0])
    if last >= rows:
        raise InputError(
            f"{label}: its tokenizer writes {tokenizer.convert_ids_to_tokens(last)} (token {last}),"
            f" and its embedding has {rows} rows; resize it (resize_token_embeddings), or save the"
            " tokenizer of the model there"
        )


@dataclass(frozen=True)
class RowLengths:
    """Tokens of the prompts and of whole rows (prompt, trajectory, end) of a set."""

    prompts: list[int]
    rows: list[int]

    @property
    def responses(self) -> list[int]:
        """Tokens of the trajectories with their end."""
        return [row - prompt for row, prompt in zip(self.rows, self.prompts, strict=True)]


def measure_rows(tokenizer: "PreTrainedTokenizerBase", records: list[TextRecord]) -> RowLengths:
    """Lengths of records in tokens, as training and evaluation show them."""
    prompts = [len(encode_prompt(tokenizer, record["prompt"])) for record in records]
    rows = [
        prompt + (len(encode_response(tokenizer, r["trajectory"])) if "trajectory" in r else 0)
        for r, prompt in zip(records, prompts, strict=True)
    ]
    return RowLengths(prompts, rows)


def show_row(tokenizer: "PreTrainedTokenizerBase", record: TextRecord) -> list[str]:
    """A training row, its RL prompt and its gold answer as the model will see them."""
    prompt = render_prompt(tokenizer, record["prompt"])
    ids = encode_example(tokenizer, record["prompt"], record.get("trajectory", ""))
    learnt = [
        token for token, kept in zip(ids["input_ids"], ids["completion_mask"], strict=True) if kept
    ]
    return [
        "prompt (SFT, RL and evaluation alike):",
        *indent(prompt),
        *(["learnt:", *indent(tokenizer.decode(learnt))] if "trajectory" in record else []),
        f"gold: {record['gold']}",
    ]


def indent(text: str) -> list[str]:
    """Lines of a text, set in, cut where it is long."""
    shown = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " ..."
    return [f"  | {line}" for line in shown.split("\n")]
