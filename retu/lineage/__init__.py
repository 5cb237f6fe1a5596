"""What made an output: a record beside it, the graph of records, and what DVC keeps of it.

Every job writes a record; everything else reads them. Modules by what they are for:

write   `pending_record` is a record before its job has run, `record` the record and its seal,
        `host` the machine, the commit and the libraries, `numerics` what decides the last digits.
        `run_snapshot` is what a workflow was planned with.
read    `record_graph` reads the records of a study and knows what comes before what; `resolve`
        finds the output, the study and its plan of today that a command is about; `history` reads
        the records of a git revision, `dvc_lock` what DVC's lock says.
ask     `show` lists jobs and prints a record. `why` explains an output: `table_cells` and
        `cell_lineage` find the cell of a table and what belongs to it, `subgraph` is the part of
        the graph that explains it, `render` and `provenance` print it. Why something is stale:
        `outdated` asks `staleness` (first causes), `stale_causes` (of one job), `config_sources`
        (which file gives a job its settings), `edited_files` (files that are not as recorded, by
        what `retu/core/hash_memory.py` knows of their times) and `ancestry_gaps` (where the
        ancestry ends too early). `diff` compares two lineages: `diff_sides` are what is compared,
        `record_diff` compares two records. `verify` runs `verify_checks` and tells their
        `verify_findings`.
        `remedies` are the commands that they advise.
keep    `dvc_pointers` writes lineage/STUDY, in it `stage_keys` (what makes a stage stale) and
        `dvc_metrics` (what DVC shows of tables and curves); `stored_outputs` fills DVC's cache
        (`dvc_cache`), `dvc_remote` fetches, `restore` puts things in place, `adopt` has Snakemake
        take them for its own. `export` hands out: `bundle` packs what somebody else can check,
        `unbundle` reads and checks that, `signature` tells who vouches for it, `ro_crate` and
        `prov` tell it to others' tools.
"""


def __getattr__(name: str) -> object:
    """What `__init__.pyi` lists, imported when it is first asked for."""
    from retu.core.public_names import load_public_name

    return load_public_name(globals(), name)


def __dir__() -> list[str]:
    """Modules that are loaded, and all public names."""
    from retu.core.public_names import list_public_names

    return sorted({*globals(), *list_public_names(globals())})
