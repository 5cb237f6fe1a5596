"""The stages at which a study of models made here differs: data are drawn, models pre-trained."""

from retu.config.lab_study import ArithmeticData, Benchmark, Model
from retu.planning import jobs
from retu.planning.stages import Stage, once
from retu.planning.training_plan import Plan


class LabPlan(Plan):
    """All stages of a lab study."""

    @once
    def base(self, model: str) -> Stage:
        """See `Plan`."""
        return self.pretrain_base(model)

    def split(self, name: str) -> Stage:
        """See `Plan`; one job draws all of them."""
        return self.make_data()

    @once
    def sft_set(self, dataset: str) -> Stage:
        """See `Plan`."""
        return self.select_sft_set(dataset)

    @once
    def make_data(self) -> Stage:
        """Draw the data."""
        data, benchmarks = self.study.data, self.study.benchmarks
        drawn = {n: b.drawing for n, b in benchmarks.items() if isinstance(b, Benchmark)}
        if not isinstance(data, ArithmeticData):
            raise LookupError("the study draws no data")
        return self.prepared("make_data", jobs.DataJob(data=data, benchmarks=drawn))

    def pretrain_base(self, model: str) -> Stage:
        """Make a base model."""
        architecture = self.study.models[model]
        if not isinstance(architecture, Model):
            raise LookupError(f"{model} is not made here")
        job = jobs.PretrainJob(model=architecture, execution=self.study.execution.only("sft"))
        return self.trained("pretrain_base", job, self.make_data())
