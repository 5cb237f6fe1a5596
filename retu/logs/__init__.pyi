from retu.logs.log_choice import LogChoice as LogChoice
from retu.logs.log_choice import LogReading as LogReading
from retu.logs.read_curves import read_logs as read_logs
