"""Rule `judge_claims` of a training study: sentences of the paper and of others on its numbers."""

from pathlib import Path

from retu.audit.claims.ledger import read_statements
from retu.audit.study_claims.judge_study import gather_study, judge_study
from retu.audit.study_claims.read_tables import read_study_tables
from retu.audit.study_claims.related_claims import read_related_claims
from retu.audit.study_claims.study_claims_page import format_study_claims
from retu.core.atomic_files import write_text
from retu.core.tables import write_csv
from retu.planning.claims_facts import StudyClaimsJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Read sentences and what the study measured, write claims.csv and claims.md."""
    names = ("curves", "subphases", "fits", "draws", "stats", "statements", "related")
    options = parse_arguments(
        __doc__, spec=make_spec_reader(StudyClaimsJob), version=str, grades=[Path],
        **dict.fromkeys([*names, "out", "out_md"], Path),
    )  # fmt: skip
    claims = [*read_statements(options.statements), *read_related_claims(options.related)]
    tables = read_study_tables(
        options.curves, options.subphases, options.fits, options.draws, options.stats,
        options.grades,
    )  # fmt: skip
    table = judge_study(claims, gather_study(tables, options.spec), options.version)
    write_csv(table, options.out)
    write_text(options.out_md, format_study_claims(table, options.spec.study))


if __name__ == "__main__":
    run_main(main)
