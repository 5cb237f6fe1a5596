"""Validate an RO-Crate by roc-validator without a network: python validate_crate.py CONTEXT CRATE

CONTEXT is the JSON-LD context of RO-Crate that the package `rocrate` carries. It is that of version
1.3, in which types of Bioschemas have other addresses than in 1.1, the version of the profiles;
these few are put right here. Prints what is required and not as it must be; then the status is 1.
"""

import json
import sys
from pathlib import Path
from typing import Any

from rocrate_validator import models, services
from rocrate_validator.utils import document_loader, http

BIOSCHEMAS = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}
PROFILE = "provenance-run-crate"
WHERE = "https://w3id.org/ro/crate/1.1/context"


class ContextResponse:
    """What the server of the context would answer."""

    status_code, ok, url = 200, True, WHERE

    def __init__(self, context: dict[str, Any]) -> None:
        self.context = context
        self.text = json.dumps(context)
        self.content = self.text.encode()
        self.headers = {"Content-Type": "application/ld+json"}

    def json(self) -> dict[str, Any]:
        """The context."""
        return self.context

    def raise_for_status(self) -> None:
        """There was no error."""


def main() -> None:
    """Print the issues."""
    context = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    context["@context"].update(BIOSCHEMAS)

    def get_context(self: object, url: str, **_: object) -> ContextResponse:
        if url != WHERE:
            raise RuntimeError(f"{url}: is asked for, and only the context is here")
        return ContextResponse(context)

    http.HttpRequester.get = http.HttpRequester.head = get_context
    document_loader._fetch_json_ld = lambda url: get_context(None, url).json()
    result = services.validate(
        services.ValidationSettings(
            rocrate_uri=sys.argv[2],
            profile_identifier=PROFILE,
            requirement_severity=models.Severity.REQUIRED,
            abort_on_first=False,
        )
    )
    issues = list(result.get_issues())
    for issue in issues:
        print(issue.check.identifier, issue.check.name, issue.message)
    print(f"{len(issues)} issues by {PROFILE}")
    sys.exit(1 if issues else 0)


if __name__ == "__main__":
    main()
