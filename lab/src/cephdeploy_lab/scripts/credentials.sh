# Sections that tell one OpenStack service who it is to the others, for ./set-options. To be sourced after lab.env.

# keystoneauth USER: the options of any section that logs in
keystoneauth() {
    cat <<END
auth_type = password
auth_url = $AUTH_URL
project_domain_name = Default
user_domain_name = Default
project_name = service
username = $1
password = $PASSWORD
region_name = $REGION
END
}

# keystone_authtoken USER: how a service checks the tokens that it is given
keystone_authtoken() {
    echo '[keystone_authtoken]'
    keystoneauth "$1"
    echo "www_authenticate_uri = $AUTH_URL"
    # a second token counts as a service's by this role only
    echo 'service_token_roles = service'
    echo 'service_token_roles_required = true'
    echo "memcached_servers = $CONTROLLER:11211"
}

# service_user USER: a token of the service's own beside the user's, which Cinder asks of Nova for a detach
service_user() {
    echo '[service_user]'
    echo 'send_service_user_token = true'
    keystoneauth "$1"
}

# all that Nova has to know of others, on the controller and on a hypervisor alike
nova_credentials() {
    keystone_authtoken nova
    service_user nova
    echo '[placement]'
    keystoneauth placement
    echo '[neutron]'
    keystoneauth nova
    echo '[cinder]'
    keystoneauth nova
    echo "os_region_name = $REGION"
    echo '[glance]'
    if [ -n "$GLANCE_BY_CATALOG" ]; then
        echo "region_name = $REGION"
    else
        echo "api_servers = http://$CONTROLLER:9292"
    fi
}
