#!/usr/bin/env bash
# A small real Slurm cluster on one machine, without systemd, in a folder of its own: several may
# run side by side, and nothing of the system's own Slurm is touched. Needs root, and Debian's
# slurm-wlm and munge.
#
#   cluster.sh start DIR [NODES [CPUS [MEMORY_MB]]]    then: export SLURM_CONF=DIR/slurm.conf
#   cluster.sh controller-stop DIR | controller-start DIR
#   cluster.sh node-stop DIR NODE | node-start DIR NODE
#   cluster.sh stop DIR
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
what=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
export SLURM_CONF=$dir/slurm.conf

end() { # end the process whose number is in a file, and wait for it
  local pid
  [ -s "$1" ] && pid=$(cat "$1") || return 0
  kill "$pid" 2> /dev/null || return 0
  for _ in $(seq 100); do
    # a zombie that nobody collects has ended, too
    case $(ps -o stat= -p "$pid" 2> /dev/null) in '' | Z*) return 0 ;; esac
    sleep 0.1
  done
  kill -9 "$pid" 2> /dev/null || true
}

free_ports() { # numbers of ports that nobody uses now
  python3 - "$1" << 'PYTHON'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for item in sockets:
    item.bind(('127.0.0.1', 0))
print(*(item.getsockname()[1] for item in sockets))
PYTHON
}

start() {
  local nodes=${1:-4} cpus=${2:-2} memory=${3:-8000} host
  host=$(hostname -s)
  mkdir -p "$dir"/{state,log,run}
  # munge looks at the owner of every folder up to its socket
  chmod 755 "$dir" "$dir"/*
  [ -s "$dir/munge.key" ] || (umask 077 && head -c 128 /dev/urandom > "$dir/munge.key")
  munged --force --socket="$dir/run/munge.socket" --key-file="$dir/munge.key" \
    --pid-file="$dir/run/munged.pid" --seed-file="$dir/run/munge.seed" \
    --log-file="$dir/log/munged.log"
  # shellcheck disable=SC2046
  set -- $(free_ports $((nodes + 1)))
  cat > "$SLURM_CONF" << CONF
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$1
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool-%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
DefMemPerCPU=500
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=${SLURMD_TIMEOUT:-10}
KillWait=30
MinJobAge=${MIN_JOB_AGE:-300}
AccountingStorageType=accounting_storage/none
CONF
  shift
  for number in $(seq "$nodes"); do
    echo "NodeName=node$number NodeHostname=$host NodeAddr=127.0.0.1 Port=$1 CPUs=$cpus" \
      "RealMemory=$memory" >> "$SLURM_CONF"
    shift
  done
  echo "PartitionName=main Nodes=node[1-$nodes] Default=YES MaxTime=4:00:00 State=UP" \
    >> "$SLURM_CONF"
  slurmctld
  for number in $(seq "$nodes"); do slurmd -N "node$number"; done
  for _ in $(seq 300); do
    [ "$(sinfo -h -N -t idle -o %N 2> /dev/null | wc -l)" = "$nodes" ] && return
    sleep 0.1
  done
  sinfo || tail -n 5 "$dir"/log/*
  echo 'the cluster did not come up' >&2
  return 1
}

case $what in
  start) start "${@:3}" ;;
  controller-stop) end "$dir/run/slurmctld.pid" ;;
  controller-start) slurmctld ;;
  node-stop) end "$dir/run/$3.pid" ;;
  node-start) slurmd -N "$3" ;;
  stop)
    scancel --quiet --user="$(id -u)" 2> /dev/null || true
    for file in "$dir"/run/node*.pid "$dir/run/slurmctld.pid" "$dir/run/munged.pid"; do
      end "$file"
    done
    ;;
  *) sed -n '2,10p' "$0" && exit 2 ;;
esac
