#!/bin/sh
# Becomes one host of the lab: its root, a control-group tree of its own, and systemd as process 1.
#
#   boot-host.sh NAME FOLDER LOWER NETNS [NSPAWN-OPTION...]
#
# To be run in a mount namespace of its own: every mount made here ends with the host's last process. The process
# that runs this script becomes systemd-nspawn itself, so its pid, known to the caller, stays the right one.
set -eu
name=$1 folder=$2 lower=$3 netns=$4
shift 4

mount -t overlay "lab-$name" -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"

# systemd in the host wants the unified hierarchy; the machine may have the older one, or a mixture
umount -R /sys/fs/cgroup 2>/dev/null || umount -R -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/lab-$name"
echo $$ > "/sys/fs/cgroup/lab-$name/cgroup.procs"

# lock files of nspawn's own, and what else it leaves in /run, stay in this namespace as well
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=755 nspawn /run/systemd/nspawn

exec systemd-nspawn --quiet --keep-unit --register=no --machine="$name" --directory="$folder/root" \
    --network-namespace-path="$netns" --resolv-conf=off --timezone=off --link-journal=no --console=pipe \
    --kill-signal=SIGRTMIN+3 "$@" --boot
