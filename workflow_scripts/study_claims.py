"""Rule `judge_claims` of a training study: what the paper and others state, on its own numbers."""

from pathlib import Path

from retu.audit.claims.ledger import read_ledger
from retu.audit.study_claims.judge_study import gather_study, judge_study
from retu.audit.study_claims.published_numbers import append_numbers, judge_numbers
from retu.audit.study_claims.published_numbers_page import format_published_numbers
from retu.audit.study_claims.read_tables import read_study_tables
from retu.audit.study_claims.related_claims import read_related_claims
from retu.audit.study_claims.study_claims_page import format_study_claims
from retu.core.atomic_files import write_text
from retu.core.tables import write_csv
from retu.planning.claims_facts import StudyClaimsJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Read the claims and what the study measured, write claims.csv and claims.md."""
    names = ("curves", "subphases", "fits", "draws", "stats", "claims_dir", "out", "out_md")
    options = parse_arguments(
        __doc__, spec=make_spec_reader(StudyClaimsJob), grades=[Path],
        **dict.fromkeys(names, Path),
    )  # fmt: skip
    ledger, study = read_ledger(options.claims_dir), options.spec.study
    related = read_related_claims(options.claims_dir / "related.yaml")
    tables = read_study_tables(
        options.curves, options.subphases, options.fits, options.draws, options.stats,
        options.grades,
    )  # fmt: skip
    evidences = gather_study(tables, options.spec)
    table = judge_study([*ledger.select_claims("statement"), *related], evidences, ledger.version)
    numbers = judge_numbers(ledger, evidences, tables)
    write_csv(append_numbers(table, numbers), options.out)
    page = format_study_claims(table, study) + format_published_numbers(numbers, study)
    write_text(options.out_md, page)


if __name__ == "__main__":
    run_main(main)
