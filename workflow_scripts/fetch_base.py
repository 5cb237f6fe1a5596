"""Rule `fetch_base`: bring a base model of a hub here, with its step-0 row of losses."""

from pathlib import Path

import pandas as pd

from retu.core.manifest import write_manifest
from retu.core.tables import write_csv
from retu.data.hub.hub_files import fetch, places
from retu.models.hub_models import model_repository, publish_model
from retu.planning.jobs import FetchBaseJob
from retu.runtime.script import arguments, run, specification


def main() -> None:
    """Fetch, check and publish `checkpoints/step-000000` (RL and SFT start from it)."""
    outputs = dict.fromkeys(("checkpoints", "losses", "manifest"), Path)
    options = arguments(__doc__, spec=specification(FetchBaseJob), **outputs)
    job: FetchBaseJob = options.spec
    snapshot = fetch(model_repository(job.model), places(job.lock))
    publish_model(snapshot, job.model, options.checkpoints)
    write_csv(pd.DataFrame({"step": [0], "x_sft_eflops": [0.0]}), options.losses)
    write_manifest(
        options.manifest,
        options.checkpoints,
        steps=[0],
        repository=job.model.repository,
        commit=snapshot.commit,
    )
    print(f"{job.model.repository} at commit {snapshot.commit}: {len(snapshot.files)} files")


if __name__ == "__main__":
    run(main)
