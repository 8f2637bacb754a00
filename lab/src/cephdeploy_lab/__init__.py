"""A lab of systemd-nspawn hosts with a real Ceph and a real OpenStack; it knows nothing of cephdeploy."""

__version__ = "0.1.0"
