"""Rule `fetch_base`: bring a base model of a hub here, with its step-0 row of losses."""

from pathlib import Path

from retu.data.hub.hub_files import fetch_repository, locate_hub
from retu.models.base_models import ModelSource, make_model_repository, publish_base_model
from retu.planning.jobs import FetchBaseJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Fetch, check and publish `checkpoints/step-000000` (RL and SFT start from it)."""
    outputs = dict.fromkeys(("checkpoints", "losses", "manifest"), Path)
    options = parse_arguments(__doc__, spec=make_spec_reader(FetchBaseJob), **outputs)
    job: FetchBaseJob = options.spec
    snapshot = fetch_repository(make_model_repository(job.model), locate_hub(job.lock))
    model = ModelSource(
        f"model {job.model.repository}",
        snapshot.files,
        job.model.shape,
        job.model.template,
        job.system,
        job.model.context,
    )
    pinned = {"repository": job.model.repository, "commit": snapshot.commit}
    publish_base_model(model, options.checkpoints, options.losses, options.manifest, **pinned)
    print(f"{job.model.repository} at commit {snapshot.commit}: {len(snapshot.files)} files")


if __name__ == "__main__":
    run_main(main)
