"""Rule `fetch_base`: bring a base model of a hub here, with its step-0 row of losses."""

from pathlib import Path

import pandas as pd

from retu.core.manifest import write_manifest
from retu.core.tables import write_csv
from retu.data.hub.hub_files import fetch_repository, locate_hub
from retu.models.hub_models import make_model_repository, publish_model
from retu.planning.jobs import FetchBaseJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Fetch, check and publish `checkpoints/step-000000` (RL and SFT start from it)."""
    outputs = dict.fromkeys(("checkpoints", "losses", "manifest"), Path)
    options = parse_arguments(__doc__, spec=make_spec_reader(FetchBaseJob), **outputs)
    job: FetchBaseJob = options.spec
    snapshot = fetch_repository(make_model_repository(job.model), locate_hub(job.lock))
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
    run_main(main)
