"""A cluster of several nodes on this machine, in a process of its own: ``python ray_town.py``.

Reads one order a line and answers each with one line of JSON: ``add CPUS GPUS [RESOURCE]`` adds a
node, ``kill I`` ends node ``I``'s raylet with SIGKILL. The first line that it prints is the
cluster's address. It listens on loopback only, its head does no work, and a dead node is noticed
within two seconds. When its input ends, so does the cluster.
"""

import json
import os
import signal
import sys

FAST = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 2,
}


def main():
    """Serve until standard input ends."""
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # before Ray is imported: loopback only
    from ray.cluster_utils import Cluster

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # Ray prints

    def answer(**values):
        print(json.dumps(values), file=answers, flush=True)

    small = {"object_store_memory": 80 * 1024 * 1024, "include_dashboard": False}
    head = {"num_cpus": 0, "num_gpus": 0, "_system_config": FAST, **small}
    town = Cluster(initialize_head=True, head_node_args=head)
    nodes = []
    answer(address=town.address)
    for line in sys.stdin:
        order, *rest = line.split()
        if order == "add":
            own = dict.fromkeys(rest[2:], 1)
            node = town.add_node(
                num_cpus=int(rest[0]), num_gpus=int(rest[1]), resources=own, **small
            )
            nodes.append(node)
            answer(node=node.node_id)
        if order == "kill":
            node = nodes[int(rest[0])]
            os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
            answer(killed=node.node_id)
    town.shutdown()


if __name__ == "__main__":
    main()
