#!/bin/bash
# Makes this host the controller of an OpenStack that has no Ceph yet: Keystone, Placement, Glance with its file
# store, Cinder without a backend, Nova, and a stub of Neutron. MariaDB, RabbitMQ and memcached start at boot.
#
#   controller.sh services    everything, up to a Nova that hypervisors can report to
#   controller.sh answers     waits for the APIs
#   controller.sh cells       tells Nova of the hypervisors that reported meanwhile
set -euo pipefail
cd /usr/local/lib/cephdeploy-lab
. ./lab.env
. ./credentials.sh

say() { echo "== $*"; }

database() { echo "mysql+pymysql://$1:$PASSWORD@127.0.0.1/$2"; }

as() { runuser -u "$1" -- "${@:2}"; }

configure() {
    # Debian asks for 16 processes of each, which would be most of a small machine's memory. Keystone and Placement
    # can do with threads. Cinder and Nova can't: a reply from RabbitMQ wakes only the thread that made the first
    # call, and the others' calls time out after a minute.
    sed -i 's/^processes = .*/processes = 1/; s/^threads = .*/threads = 8/' /etc/{keystone,placement}/*-uwsgi.ini
    sed -i 's/^processes = .*/processes = 2/; s/^threads = .*/threads = 1/' /etc/{cinder,nova,glance}/*-uwsgi.ini
    # uWSGI ends every connection after its answer. A client that is not told so sends its next request into a
    # connection that is being closed, now and then, and that request fails.
    for ini in /etc/*/*-uwsgi.ini; do
        grep -q '^add-header = Connection' "$ini" || echo 'add-header = Connection: close' >> "$ini"
    done

    ./set-options /etc/keystone/keystone.conf <<END
[database]
connection = $(database keystone keystone)
[token]
provider = fernet
[identity]
password_hash_algorithm = bcrypt
password_hash_rounds = 4
END
    { keystone_authtoken placement; cat <<END; } | ./set-options /etc/placement/placement.conf
[placement_database]
connection = $(database placement placement)
[api]
auth_strategy = keystone
END
    { keystone_authtoken glance; image_store; cat <<END; } | ./set-options /etc/glance/glance-api.conf
[DEFAULT]
workers = 1
[database]
connection = $(database glance glance)
[paste_deploy]
flavor = keystone
END
    # cinder-scheduler learns of a restarted cinder-backup with its next report: not a whole minute later, here
    { keystone_authtoken cinder; service_user cinder; nova_client; cat <<END; } | ./set-options /etc/cinder/cinder.conf
[DEFAULT]
my_ip = $MY_ADDRESS
transport_url = $TRANSPORT_URL
auth_strategy = keystone
glance_api_servers = http://$CONTROLLER:9292
enabled_backends =
osapi_volume_workers = 1
quota_volumes = -1
quota_gigabytes = -1
quota_backups = -1
backup_driver = cinder.backup.drivers.posix.PosixBackupDriver
backup_posix_path = /var/lib/cinder/backups
backup_driver_stats_polling_interval = 10
periodic_interval = 10
periodic_fuzzy_delay = 5
[database]
connection = $(database cinder cinder)
[oslo_concurrency]
lock_path = /var/lock/cinder
END
    install -d -o cinder -g cinder /var/lib/cinder/backups
    { nova_credentials; cat <<END; } | ./set-options /etc/nova/nova.conf
[DEFAULT]
my_ip = $MY_ADDRESS
transport_url = $TRANSPORT_URL
osapi_compute_workers = 1
[api_database]
connection = $(database nova nova_api)
[database]
connection = $(database nova nova)
[scheduler]
workers = 1
[conductor]
workers = 1
[vnc]
enabled = false
[spice]
enabled = false
END
}

# Images in files, in the form that the suite's own installation guide of Glance has.
image_store() {
    if [ -z "$SEVERAL_STORES" ]; then
        cat <<END
[glance_store]
stores = file,http
default_store = file
filesystem_store_datadir = /var/lib/glance/images
END
        return
    fi
    install -d -m 750 -o glance -g glance /var/lib/glance/{images,staging,tasks}
    cat <<END
[DEFAULT]
enabled_backends = fs:file
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = /var/lib/glance/images/
[os_glance_staging_store]
filesystem_store_datadir = /var/lib/glance/staging/
[os_glance_tasks_store]
filesystem_store_datadir = /var/lib/glance/tasks/
END
}

# Cinder's word to Nova about a volume that grew, which an ordinary user's token is not enough for.
nova_client() {
    echo '[nova]'
    keystoneauth nova
}

databases=(keystone glance cinder placement nova nova_api nova_cell0)

empty_databases() {
    systemctl start mariadb
    for name in "${databases[@]}"; do
        for place in % localhost; do
            echo "CREATE DATABASE IF NOT EXISTS $name;"
            echo "GRANT ALL ON $name.* TO '${name%%_*}'@'$place' IDENTIFIED BY '$PASSWORD';"
        done
    done | mariadb
}

# what `keystone-manage fernet_setup` and `credential_setup` would write, without their seconds
keys() {
    for folder in /etc/keystone/fernet-keys /etc/keystone/credential-keys; do
        install -d -m 700 -o keystone -g keystone $folder
        for number in 0 1; do
            head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' > $folder/$number
        done
        chmod 600 $folder/*
        chown keystone:keystone $folder/*
    done
}

identity() {
    as keystone keystone-manage db_sync
    keystone-manage bootstrap --bootstrap-password "$PASSWORD" --bootstrap-region-id "$REGION" \
        --bootstrap-admin-url "$AUTH_URL/v3/" --bootstrap-internal-url "$AUTH_URL/v3/" \
        --bootstrap-public-url "$AUTH_URL/v3/"
    chown -R keystone:keystone /var/log/keystone
    systemctl start keystone
    answers_on 5000
    ./fill-catalog
    say "keystone is up and has its catalog"
    as glance glance-manage db_sync
    as placement placement-manage db sync
    say "glance and placement have their databases"
}

compute_and_volumes() {
    as nova nova-manage api_db sync
    as nova nova-manage cell_v2 map_cell0
    as nova nova-manage cell_v2 create_cell --name=cell1
    as nova nova-manage db sync
    say "nova has its databases"
    as cinder cinder-manage db sync
    say "cinder has its database"
}

messages() {
    systemctl start rabbitmq-server
    # rabbitmqctl reads its standard input, whatever it is
    rabbitmqctl -q await_startup < /dev/null
    rabbitmqctl -q add_user openstack "$PASSWORD" < /dev/null
    rabbitmqctl -q set_permissions openstack '.*' '.*' '.*' < /dev/null
    say "rabbitmq is up"
}

answers_on() {
    for _ in $(seq 300); do
        if curl -s -o /dev/null --noproxy '*' "http://$CONTROLLER:$1/"; then return 0; fi
        sleep 0.2
    done
    echo "nothing answers on port $1 after a minute; look at \`systemctl --failed\` and /var/log on this host" >&2
    return 1
}

# Schemas and catalog are the same in every lab, and making them takes most of a minute: so the first lab on a base
# hands them out as databases.sql, and later ones get that file before they boot.
filled_databases() {
    if [ -f databases.sql ]; then
        mariadb < databases.sql
        systemctl start keystone
        say "the databases are filled from those of an earlier lab"
        return
    fi
    # two queues, since the machine may have two processors only
    identity & local identity=$!
    compute_and_volumes & local compute_and_volumes=$!
    wait $identity
    wait $compute_and_volumes
    mariadb-dump --databases "${databases[@]}" > databases.made
    mv databases.made databases.sql
}

services() {
    configure
    keys
    # Neutron's stub is there before Nova, which keeps the catalog that it has once seen
    systemctl start --no-block neutron-stub memcached
    messages & local messages=$!
    empty_databases
    say "configured, and mariadb is up"
    filled_databases
    systemctl start --no-block placement-api glance-api
    wait $messages
    systemctl start --no-block nova-scheduler nova-api cinder-api cinder-scheduler cinder-backup
    # without a backend cinder-volume would end at once: it is enabled, and waits for somebody to give it one
    systemctl enable -q keystone placement-api glance-api cinder-api cinder-scheduler cinder-volume cinder-backup \
        nova-api nova-scheduler nova-conductor neutron-stub
    # returns when it listens; a hypervisor that asks before that waits ten seconds until it asks again
    systemctl start nova-conductor
    for port in 5000 8778; do answers_on $port; done
    say "nova-conductor and placement are up"
}

answers() {
    for port in 9292 8774 8776; do answers_on $port; done
    say "all APIs answer"
}

cells() {
    as nova nova-manage cell_v2 discover_hosts
}

"$1"
