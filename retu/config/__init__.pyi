from retu.config.graders import GraderSettings as GraderSettings
from retu.config.load import load_study as load_study
from retu.config.paradigm import ParadigmSettings as ParadigmSettings
from retu.config.presets import load_paradigm as load_paradigm
