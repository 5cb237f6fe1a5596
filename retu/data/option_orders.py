"""One order of a problem's options in all files of a benchmark: a letter means one thing then."""

from dataclasses import dataclass, field

from retu.data.source_rows import SourceRow

OptionKey = tuple[str, frozenset[str]]


@dataclass(frozen=True)
class OptionOrders:
    """The place and order in which every multiple choice was read first."""

    seen: dict[OptionKey, tuple[str, list[str]]] = field(default_factory=dict)

    def check(self, row: SourceRow, question: str, options: list[str]) -> None:
        """Remember a problem's options.

        Raises:
            InputError: another file has the same problem with its options in another order.
        """
        key = (question, frozenset(options))
        where, first = self.seen.setdefault(key, (row.where, options))
        # A file may repeat a problem with its options in another order, as its authors wrote it.
        if first != options and get_file(where) != get_file(row.where):
            row.refuse(
                f"has the options of {where} in another order, so a letter means two things",
                "keep one of the files",
            )


def get_file(where: str) -> str:
    """The file of a row's place (`FILE: row 3`)."""
    return where.rpartition(":")[0]
