"""The stages at which a study of models made here differs: data are drawn, models pre-trained."""

from retu.config.lab_study import ArithmeticData, Benchmark, LabModel
from retu.planning import jobs
from retu.planning.stages import Stage, cache_stage
from retu.planning.training_plan import Plan


class LabPlan(Plan):
    """All stages of a lab study."""

    @cache_stage
    def plan_base(self, model: str) -> Stage:
        """See `Plan`."""
        return self.pretrain_base(model)

    def plan_split(self, name: str) -> Stage:
        """See `Plan`; one job draws all of them."""
        return self.make_data()

    @cache_stage
    def plan_sft_set(self, dataset: str) -> Stage:
        """See `Plan`."""
        return self.select_sft_set(dataset)

    @cache_stage
    def make_data(self) -> Stage:
        """Draw the data."""
        data, benchmarks = self.study.data, self.study.benchmarks
        drawn = {n: b.drawn for n, b in benchmarks.items() if isinstance(b, Benchmark)}
        if not isinstance(data, ArithmeticData):
            raise LookupError("the study draws no data")
        return self.plan_cpu_job("make_data", jobs.DataJob(data=data, benchmarks=drawn))

    def pretrain_base(self, model: str) -> Stage:
        """Make a base model."""
        architecture, data = self.study.models[model], self.study.data
        if not isinstance(architecture, LabModel) or not isinstance(data, ArithmeticData):
            raise LookupError(f"{model} is not made here")
        job = jobs.PretrainJob(
            model=architecture,
            execution=self.study.execution.select_parts("sft"),
            multiple_choice=data.documents.multiple_choice_rate > 0,
        )
        return self.plan_training_job("pretrain_base", job, self.make_data())
