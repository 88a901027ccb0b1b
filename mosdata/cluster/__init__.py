"""The only room that knows Ray.

The rest of the house hands plain functions to :func:`run_calls` and gets their outcomes back.
No audio travels through Ray: functions return nothing and leave their results on the disk.

Secure by default: a cluster that we start here listens on loopback only, has no dashboard, and
uses Ray's token authentication; a cluster that is given by its address is joined with the token
that lies in the user's home, where there is one.
"""

from mosdata.cluster.calls import Lost, Needs, run_calls
from mosdata.cluster.nodes import Node, check_shared_folder, num_nodes, refuse_strangers, survey
from mosdata.cluster.session import asks_for_token, prepare_environment, session

__all__ = [
    "Lost",
    "Needs",
    "Node",
    "asks_for_token",
    "check_shared_folder",
    "num_nodes",
    "prepare_environment",
    "refuse_strangers",
    "run_calls",
    "session",
    "survey",
]
