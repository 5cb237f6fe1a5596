"""The configuration of a SLURM of three nodes, all of them this machine, in a folder of its own."""

import os
import pwd
import random
import shutil
import socket
from contextlib import closing, suppress
from pathlib import Path

CLIENTS = ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
# Processes of several nodes meet at one's name, which must resolve; all of 127.0.0.0/8 is here.
NODES = ("127.0.0.11", "127.0.0.12", "127.0.0.13")
PREFIX = "retu-slurm-"
# Daemons live where a user's PATH may not look, and another such SLURM's programs are not ours.
FOLDERS = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/sbin", "/usr/sbin", "/sbin"]
PATH = os.pathsep.join(each for each in FOLDERS if f"/{PREFIX}" not in each)

# KillWait: as on real clusters, time to save after SIGTERM. cred_expire: SLURM keeps a requeued job
# back for as long as its credentials live, 120 s by default. MinJobAge: squeue must still know a
# job that ended when Snakemake asks, there being no accounting.
SLURM_CONF = """\
ClusterName=retu-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
PlugStackConfig={folder}/no-plugins.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MinJobAge=3600
KillWait=30
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PriorityType=priority/basic
GresTypes=gpu
{nodes}
PartitionName=cpu Nodes=127.0.0.[11-12] Default=YES MaxTime=1-00:00:00
PartitionName=gpu Nodes=127.0.0.[11-12] MaxTime=2-00:00:00
PartitionName=gpu-preempt Nodes=127.0.0.13 MaxTime=2-00:00:00 PriorityTier=1
PartitionName=gpu-first Nodes=127.0.0.13 MaxTime=2-00:00:00 PriorityTier=10 PreemptMode=OFF
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr={name} Port={port}"
    " CPUs=16 RealMemory=64000 Gres=gpu:h100:4"
)
# A GPU must be a character device, or CUDA_VISIBLE_DEVICES stays empty; these four always exist.
GRES_CONF = "AutoDetect=off\n" + "".join(
    f"NodeName={','.join(NODES)} Name=gpu Type=h100 File=/dev/{name}\n"
    for name in ("null", "zero", "full", "random")
)
CGROUP_CONF = "CgroupAutomount=no\nConstrainCores=no\nConstrainDevices=no\nConstrainRAMSpace=no\n"


def find_free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, below those that the system gives to clients."""
    found: list[int] = []
    for port in random.sample(range(10_000, 20_000), 1_000):
        with suppress(OSError), closing(socket.socket()) as one:
            one.bind(("", port))
            found.append(port)
        if len(found) == count:
            break
    return found


def write_configuration(folder: Path) -> None:
    """Write the configuration of the nodes and the key that they share."""
    host = socket.gethostname().split(".")[0]
    port, *ports = find_free_ports(1 + len(NODES))
    nodes = [NODE.format(name=n, host=host, port=p) for n, p in zip(NODES, ports, strict=True)]
    told = {"host": host, "port": port, "folder": folder, "user": get_user()}
    (folder / "slurm.conf").write_text(SLURM_CONF.format(nodes="\n".join(nodes), **told))
    (folder / "gres.conf").write_text(GRES_CONF)
    (folder / "cgroup.conf").write_text(CGROUP_CONF)
    (folder / "no-plugins.conf").touch()
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    (folder / "owner.pid").write_text(str(os.getpid()))


def write_clients(folder: Path) -> None:
    """Programs that know the configuration: Snakemake's job step takes SLURM_CONF from a job."""
    (folder / "bin").mkdir()
    for name in CLIENTS:
        script = folder / "bin" / name
        conf, program = folder / "slurm.conf", shutil.which(name, path=PATH)
        script.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {program} "$@"\n')
        script.chmod(0o755)


def get_user() -> str:
    """Who runs all this."""
    return pwd.getpwuid(os.geteuid()).pw_name
