from retu.lineage.graph.record_graph import Lineage as Lineage
from retu.lineage.graph.record_graph import read_lineage as read_lineage
from retu.lineage.graph.subgraph import Subgraph as Subgraph
from retu.lineage.graph.subgraph import trace_output as trace_output
from retu.lineage.record import JobRecord as JobRecord
from retu.lineage.record import read_record as read_record
