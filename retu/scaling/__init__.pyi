from retu.config.analysis import FitSettings as FitSettings
from retu.scaling.branch import Branch as Branch
from retu.scaling.branch import make_branch as make_branch
from retu.scaling.fit_result import BranchFit as BranchFit
from retu.scaling.fitting.curve_fits import fit_curves as fit_curves
from retu.scaling.fitting.fit import fit_branch as fit_branch
from retu.scaling.law import compute_gain as compute_gain
