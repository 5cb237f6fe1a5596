from retu.advice.adaptive import decide_rung as decide_rung
from retu.advice.advise import advise_start as advise_start
from retu.advice.decision import Decision as Decision
