#!/bin/bash
# Makes this host a hypervisor: libvirt, and nova-compute as it is before anybody gives it Ceph.
#
#   compute.sh configure    before the controller is up
#   compute.sh start        when the controller's conductor is
set -euo pipefail
cd /usr/local/lib/cephdeploy-lab
. ./lab.env
. ./credentials.sh

configure() {
    # from 2026.2 on a nova-compute that is told to stop waits nearly three minutes for work that a lab does not
    # have; the releases before don't know the last of these options
    { nova_credentials; cat <<END; } | ./set-options /etc/nova/nova.conf
[DEFAULT]
my_ip = $MY_ADDRESS
transport_url = $TRANSPORT_URL
graceful_shutdown_timeout = 8
manager_shutdown_timeout = 3
[vnc]
enabled = false
[spice]
enabled = false
[libvirt]
cpu_mode = none
[os_vif_ovs]
ovsdb_connection = unix:/nonexistent
END
    # nova-compute reads this second file after nova.conf, so what it says wins; a guest here is emulated
    ./set-options /etc/nova/nova-compute.conf <<END
[libvirt]
virt_type = qemu
END
    # live migration: the other hypervisor reaches this one by qemu+tcp
    sed -i 's/^#* *auth_tcp *=.*/auth_tcp = "none"/' /etc/libvirt/libvirtd.conf
    systemctl stop libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket
    systemctl start virtlogd.socket libvirtd-tcp.socket libvirtd.socket libvirtd.service
    systemctl enable -q libvirtd-tcp.socket libvirtd.socket libvirtd.service nova-compute.service
    virsh -c qemu:///system version
}

start() {
    systemctl start nova-compute
}

"$1"
