"""How a rule says what it does: `**stage(plan.NAME)` among its parameters, `job("NAME")` as its shell."""

import hashlib
import json
import shlex


def stage(find):
    """The parameters of every rule: its specification, the key that makes it stale, what else the
    record of a job says of it, and which of its files has which name.

    Snakemake runs a job again whose parameters have changed, and leaves out those that are made
    from an argument `input` or `output`: `files` must count, for it tells swapped files, and `sources`
    must not, for where a user's files are is no part of a result.
    """
    return {
        "spec": lambda wildcards: find(**wildcards).spec,
        "key": lambda wildcards: find(**wildcards).key,
        "stage": lambda wildcards: find(**wildcards).job_json,
        "sources": lambda wildcards, output: find(**wildcards).sources_json,
        "wildcards": lambda wildcards: json.dumps(dict(wildcards)),
        "names": lambda wildcards, input, output: json.dumps([*map(count_names, (input, output))]),
        "files": lambda wildcards, **of: digest_files(of["input"], of["output"]),
    }


def count_names(files):
    """The names of a job's inputs or outputs in their order, each with the number of its files."""
    return [(name, 1 if isinstance(made, str) else len(made)) for name, made in files.items()]


def digest_files(*sides):
    """Digest of the files behind every name, which is the same in another study's folders."""
    told = json.dumps([[*map(str, files), *count_names(files)] for files in sides])
    inside = told.replace(f"{RESULTS}/", "").replace(f"data/{study.name}/", "")
    return hashlib.sha256(inside.encode()).hexdigest()[:16]


def python(environment):
    """The interpreter of an environment: config.yaml may have one of its own for it."""
    folder = None if deployed else settings.environments.get(environment)
    return shlex.quote(str(Path(folder).absolute() / "bin" / "python")) if folder else "python"


def job(module, environment="lab", network=False, many=False, title=None, threads=False):
    """The shell command of a rule: run its module, log it, leave a record beside its outputs.

    Each named input and output is an option of the script (`out_csv` is `--out-csv`; a name without
    files is left out), and so is what the plan tells it. A file that the script needs no option for
    orders the jobs or lies beside another: it has no name, or one that begins with `_` where
    Snakemake wants one (outputs that may come from its cache). `record` is written for the script.

    Nothing here decides a result, so nothing of it enters a key. `title` is how progress calls the
    job, `threads` hands their number on. Only a job with `network` may ask a hub; one of `many`
    processes gets as many as its resources say. The shell gives way to Python, which thus gets the
    signals of a scheduler: the job itself or, where this run has a job server, its client.
    """
    processes = "--processes {resources.processes} --nodes {resources.nodes}" if many else ""
    client = '${{RETU_JOB_CLIENT:+-IS "$RETU_JOB_CLIENT"}}'
    return (
        ("" if network else "export HF_HUB_OFFLINE=1; ")
        + f"exec {python(environment)} {client} -m retu.cli.run_job {module} --rule {{rule}}"
        f" --stage {{params.stage:q}} --spec={{params.spec:q}} {processes}"
        " --sources {params.sources:q}"
        " --wildcards {params.wildcards:q} --names {params.names:q}"
        " --inputs {input:q} --outputs {output:q} --"
        + (f" --title {shlex.quote(title)}" if title else "")
        + (" --threads {threads}" if threads else "")
        + " 3>&2 > {log} 2>&1"
    )
