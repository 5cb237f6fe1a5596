"""What a study's models are shown: its tokenizer with the chat template that all stages use."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retu.config.files_study import FolderModel
from retu.core.errors import InputError
from retu.core.run_paths import FIRST_CHECKPOINT
from retu.core.yaml_files import read_yaml
from retu.data.chat import encode_example, encode_prompt, render_prompt
from retu.data.text_records import TextRecord
from retu.data.tokenizer import load_tokenizer
from retu.models.base_models import begin_with_system
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
        width = {"float32": 4, "bfloat16": 2, "float16": 2}.get(str(self.config.get("dtype")), 2)
        return self.weight_bytes / width


def load_study_model(plan: FilesPlan, name: str) -> StudyModel:
    """A model of a study, from the user's folder or from where a rule has put it.

    Raises:
        InputError: a rule has to bring it here first, or its tokenizer cannot be used.
    """
    model = plan.study.models[name]
    published = Path("results", plan.study.name, "base", name, "checkpoints", FIRST_CHECKPOINT)
    if isinstance(model, FolderModel):
        folder = Path(model.folder)
    elif (published / "config.json").is_file():
        folder = published
    else:
        target = f"results/{plan.study.name}/base/{name}/manifest.json"
        command = ["snakemake", target, "--cores", "1", "--config", f"study={plan.study.name}"]
        raise InputError(f"models.{name}: is not here yet; bring it ({shlex.join(command)})")
    tokenizer = load_tokenizer(folder)
    if isinstance(model, FolderModel):
        if model.template:
            path = ROOT / "chat_templates" / f"{model.template}.jinja"
            tokenizer.chat_template = path.read_text(encoding="utf-8")
        if plan.data.system and isinstance(tokenizer.chat_template, str):
            tokenizer.chat_template = begin_with_system(tokenizer.chat_template, plan.data.system)
    return StudyModel(name, folder, read_yaml(folder / "config.json"), tokenizer)


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
        len(encode_example(tokenizer, r["prompt"], r["trajectory"])["input_ids"])
        if "trajectory" in r
        else prompt
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
