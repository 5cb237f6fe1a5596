"""Pre-training of a lab base model: supervised training on documents, by the trainer of SFT."""

from retu.config.study import SftRecipe
from retu.planning.jobs import PretrainJob, SftJob

SAVES = 4
"""How often pre-training saves: what a kill can cost is a part of it."""


def make_pretraining_job(job: PretrainJob) -> SftJob:
    """Pre-training as an SFT job: the loss is on what follows the problem, which is random."""
    settings = job.model.pretraining
    recipe = SftRecipe(
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        scheduler="cosine",
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        adam_beta2=0.98,
        max_length=settings.max_length,
        save_every=max(1, settings.steps // SAVES),
    )
    return SftJob(
        recipe=recipe,
        checkpoints=[settings.steps],
        steps=settings.steps,
        seed=settings.seed,
        execution=job.execution,
    )
