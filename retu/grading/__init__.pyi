from retu.config.graders import GraderSettings as GraderSettings
from retu.grading.grade_verdict import Grade as Grade
from retu.grading.grader import grade as grade
from retu.grading.reward import make_reward as make_reward
from retu.grading.service import GradingService as GradingService
