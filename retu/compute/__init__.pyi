from retu.compute.flops import EFLOPS as EFLOPS
from retu.compute.flops import ModelShape as ModelShape
from retu.compute.flops import exact_forward_flops_per_token as exact_forward_flops_per_token
from retu.compute.flops import forward_flops_per_token as forward_flops_per_token
from retu.compute.flops import rl_flops as rl_flops
from retu.compute.flops import sft_step_flops as sft_step_flops
