"""What made an output: a record beside it, the graph of records, and what DVC keeps of it.

Every job writes a record; everything else reads them. Modules by what they are for:

write   `draft` is a record before its job has run, `record` the record and its seal, `host` the
        machine, the commit and the libraries, `numerics` what decides the last digits. `snapshot`
        is what a workflow was planned with; `inputs` refuses what is not as its own record tells.
read    `graph` reads the records of a study and knows what comes before what; `where` finds the
        output, the study and its plan of today that a command is about; `history` reads the
        records of a git revision, `lock` what DVC's lock says.
ask     `commands` is the command line. `show` lists jobs and prints a record. `why` explains an
        output: `cells` and `trace` find the cell of a table and what belongs to it, `view` is the
        part of the graph that explains it, `tree` and `provenance` print it. Why something is
        stale: `outdated` asks `staleness` (first causes), `causes` (of one job), `origins` (which
        file gives a job its settings), `edits` (files that are not as recorded, by what `memory`
        knows of their times) and `gaps` (where the ancestry ends too early). `diff` compares two
        lineages: `sides` are what is compared, `compare` compares two records. `verify` runs
        `checks` and tells their `findings`. `words` is what all of them print alike, `remedies`
        the commands that they advise.
keep    `pointers` writes lineage/STUDY, in it `keys` (what makes a stage stale) and `metrics`
        (what DVC shows of tables and curves); `store` fills DVC's cache (`cache`), `remote`
        fetches, `restore` puts things in place, `adopt` has Snakemake take them for its own.
        `export` hands out: `bundle` packs what somebody else can check, `unbundle` reads and checks
        that, `signature` tells who vouches for it, `crate` and `prov` tell it to others' tools.
"""
