from retu.labeling.subphases import SubphaseLabels as SubphaseLabels
from retu.labeling.subphases import choose_branches as choose_branches
from retu.labeling.subphases import label_subphases as label_subphases
