from retu.config.paradigm import ParadigmSettings as ParadigmSettings
from retu.config.paradigm import make_trl_arguments as make_trl_arguments
from retu.config.presets import load_paradigm as load_paradigm
from retu.training.paradigms.trainer import MixedGRPOTrainer as MixedGRPOTrainer
