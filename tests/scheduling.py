"""Which tests run on one worker of xdist: a file, or all files that share a finished run."""

from xdist.scheduler import LoadScopeScheduling


class FileScheduling(LoadScopeScheduling):
    """Deals out files in their order; the workflow's tests share the run of the smoke study."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        alone = "workflow" not in path.split("/") or path.endswith("test_rehearsal.py")
        return path if alone else "smoke study"
