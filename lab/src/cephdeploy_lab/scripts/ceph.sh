#!/bin/bash
# Makes a new cluster of one monitor, one manager and one OSD on this host, as units that a reboot would start again.
set -euo pipefail
. /usr/local/lib/cephdeploy-lab/lab.env
umask 022
name=$(hostname)
lib=/var/lib/ceph

say() { echo "== $*"; }

# one copy of everything: there is one OSD. The paxos and the mon_data settings are a small disk's, and a lab's haste.
# A pg_num below 16 would be a warning of its own, so that is the only default for pools here.
cat > /etc/ceph/ceph.conf <<END
[global]
fsid = $CEPH_FSID
mon_initial_members = $name
mon_host = $MY_ADDRESS
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
public_network = $NETWORK
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 16
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 500
mon_data_avail_warn = 2
mon_data_avail_crit = 1
auth_allow_insecure_global_id_reclaim = false
paxos_propose_interval = 0.05
paxos_min_wait = 0.01

[osd]
osd_objectstore = bluestore
bluestore_block_size = 6442450944
bluestore_fsck_on_mount = false
osd_memory_target = 1073741824
END

install -d -o ceph -g ceph $lib{,/mon,/mgr,/osd,/crash} $lib/mon/ceph-"$name" $lib/mgr/ceph-"$name" $lib/osd/ceph-0
install -d -o ceph -g ceph /var/log/ceph /run/ceph

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
admin=/etc/ceph/ceph.client.admin.keyring
ceph-authtool --create-keyring "$work/mon.keyring" --gen-key -n mon. --cap mon 'allow *'
ceph-authtool --create-keyring $admin --gen-key -n client.admin \
    --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' --cap mds 'allow *'
chmod 600 $admin
ceph-authtool "$work/mon.keyring" --import-keyring $admin
monmaptool --create --fsid "$CEPH_FSID" --addv "$name" "[v2:$MY_ADDRESS:3300,v1:$MY_ADDRESS:6789]" "$work/monmap"
chown -R ceph:ceph "$work"
ceph-mon --setuser ceph --setgroup ceph --mkfs -i "$name" --monmap "$work/monmap" --keyring "$work/mon.keyring"
systemctl start "ceph-mon@$name"

ceph auth get-or-create "mgr.$name" mon 'allow profile mgr' osd 'allow *' mds 'allow *' > $lib/mgr/ceph-"$name"/keyring
chown ceph:ceph $lib/mgr/ceph-"$name"/keyring
systemctl start --no-block "ceph-mgr@$name"

# a sparse file of bluestore's own making serves as the disk
uuid=$(cat /proc/sys/kernel/random/uuid)
secret=$(ceph-authtool --gen-print-key)
printf '{"cephx_secret": "%s"}' "$secret" | ceph osd new "$uuid" -i -
printf '[osd.0]\n\tkey = %s\n' "$secret" > $lib/osd/ceph-0/keyring
chown ceph:ceph $lib/osd/ceph-0/keyring
ceph-osd --setuser ceph --setgroup ceph -i 0 --mkfs --osd-uuid "$uuid"
systemctl start ceph-osd@0
systemctl enable -q "ceph-mon@$name" "ceph-mgr@$name" ceph-osd@0 ceph-mon.target ceph-mgr.target ceph-osd.target ceph.target

# Judged by what the lab needs and not by the one word: some suites never say HEALTH_OK.
for _ in $(seq 200); do
    if ceph osd stat | grep -q '1 up' && ceph mgr stat | grep -q '"available": true'; then
        say "ceph answers: $(ceph health)"
        exit 0
    fi
    sleep 0.3
done
ceph -s
echo "the OSD or the manager did not come up within a minute; see /var/log/ceph on this host" >&2
exit 1
