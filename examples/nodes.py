"""A Ray cluster of several nodes on this one machine, to try things on: ``python nodes.py 3``.

Prints the address of the cluster and serves until Ctrl-C. Every node is a Ray node of its own, with
a processor and a process that may be killed; the head does no work. It listens on loopback
only. Docs: ``docs/cluster.md``, "Several nodes on one machine".
"""

import argparse
import os
import signal
import threading


def main() -> None:
    """Start the nodes, name the address, wait."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nodes", type=int, nargs="?", default=3, help="how many nodes do work")
    nodes = parser.parse_args().nodes
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # before Ray is imported: loopback only
    from ray.cluster_utils import Cluster

    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    small = {"object_store_memory": 80 * 1024 * 1024, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0, **small})
    for _ in range(nodes):
        cluster.add_node(num_cpus=1, num_gpus=0, **small)
    print(cluster.address, flush=True)
    ended.wait()
    cluster.shutdown()


if __name__ == "__main__":
    main()
