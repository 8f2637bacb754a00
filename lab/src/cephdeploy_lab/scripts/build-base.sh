#!/bin/sh
# Builds the root that every host of the lab shares, and a thin layer for each role.
#
#   build-base.sh FOLDER SUITE MIRROR
#
# To be run in a mount and a pid namespace of its own, so that a build that is killed leaves no mount and no
# process. Reads FOLDER/packages (one a line), FOLDER/apt.conf (how this machine reaches its mirror) and
# FOLDER/absent.ROLE (packages that the role's hosts start without); makes FOLDER/root and FOLDER/layers/ROLE.
# Lines that begin with "== " are progress for a person, all others are for the log.
set -eu
folder=$1 suite=$2 mirror=$3
root=$folder/root
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset TMPDIR

say() { echo "== $*"; }

# a small /dev of its own: a package's maintainer script must not reach the machine's devices
mount_kernel_files() {
    mountpoint -q "$1/proc" || mount -t proc proc "$1/proc"
    mount -t tmpfs -o mode=755 dev "$1/dev"
    for node in null zero full random urandom tty; do
        : > "$1/dev/$node"
        mount --bind "/dev/$node" "$1/dev/$node"
    done
    mkdir "$1/dev/pts" "$1/dev/shm"
    mount -t tmpfs shm "$1/dev/shm"
    ln -s /proc/self/fd "$1/dev/fd"
}

unmount_kernel_files() {
    umount -R "$1/dev"
    umount "$1/proc"
}

say "debootstrap of $suite"
debootstrap --variant=minbase --include=ca-certificates,systemd,systemd-sysv,dbus,eatmydata "$suite" "$root" "$mirror"

cat > "$root/etc/dpkg/dpkg.cfg.d/lab" <<END
# the lab's disk is thrown away, so dpkg need not wait for it
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/info/*
path-include=/usr/share/doc/*/NEWS*
path-include=/usr/share/doc/*/README.Debian*
END
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"    # nothing starts in a root that nobody booted
chmod 755 "$root/usr/sbin/policy-rc.d"

echo "deb $mirror $suite main" > "$root/etc/apt/sources.list"
rm -f "$root"/etc/apt/sources.list.d/*
cp "$folder/apt.conf" "$root/etc/apt/apt.conf.d/99lab-build"
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
    # a mirror behind https may be signed by an authority that only this machine knows
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/apt/lab-build-ca.crt"
    echo 'Acquire::https::CAInfo "/etc/apt/lab-build-ca.crt";' >> "$root/etc/apt/apt.conf.d/99lab-build"
fi
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
echo 'Acquire::Languages "none";' > "$root/etc/apt/apt.conf.d/90lab"
mount_kernel_files "$root"

say "package lists"
chroot "$root" apt-get update -q
say "download of the packages"
# the list is one package a line, without anything that a shell would expand
# shellcheck disable=SC2046
chroot "$root" apt-get install -q -y --no-install-recommends --download-only $(cat "$folder/packages")
mkdir -p "$root/var/lib/lab-repo"
cp -l "$root"/var/cache/apt/archives/*.deb "$root/var/lib/lab-repo/"
say "installation of $(ls "$root/var/lib/lab-repo" | wc -l) packages"
# shellcheck disable=SC2046
chroot "$root" eatmydata apt-get install -q -y --no-install-recommends $(cat "$folder/packages")
chroot "$root" apt-get clean

# The hosts have no way out, and yet apt has to work in them: a package that somebody removes must be
# installable again. So every .deb of the base stays, as the only repository that the hosts know.
say "repository for the running hosts"
chroot "$root" sh -ec 'cd /var/lib/lab-repo; apt-ftparchive packages . > Packages; apt-ftparchive release . > Release.new; mv Release.new Release'
echo 'deb [trusted=yes] file:/var/lib/lab-repo ./' > "$root/etc/apt/sources.list"
rm -rf "$root"/etc/apt/apt.conf.d/99lab-build "$root/etc/apt/lab-build-ca.crt" "$root"/var/lib/apt/lists/*
chroot "$root" apt-get update -q

# What a unit's package enabled is forgotten, and each host enables by name what it should run: so one root
# serves every role. Masked: what has no sense, or no rights, in a container.
systemd=$root/etc/systemd/system
rm -rf "$systemd"/*.wants "$systemd"/*.requires
ln -sfn /lib/systemd/system/multi-user.target "$systemd/default.target"
for unit in getty.target console-getty.service getty-static.service systemd-udevd.service systemd-logind.service \
    systemd-resolved.service systemd-networkd.service systemd-timesyncd.service systemd-modules-load.service \
    sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount \
    apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer man-db.timer dpkg-db-backup.timer; do
    ln -sfn /dev/null "$systemd/$unit"
done

# two users beside root: one that may become root without a password, and one that may not
for user in operator nosudo; do
    chroot "$root" useradd -N -m -s /bin/bash -p '*' "$user"
    install -d -m 700 -o "$(stat -c %u "$root/home/$user")" -g "$(stat -c %g "$root/home/$user")" "$root/home/$user/.ssh"
done
echo 'operator ALL=(ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/operator"
chmod 440 "$root/etc/sudoers.d/operator"
install -d -m 700 "$root/root/.ssh"

rm -f "$root"/etc/ssh/ssh_host_*
: > "$root/etc/machine-id"
echo '# the hosts of the lab know each other by /etc/hosts, and nobody else' > "$root/etc/resolv.conf"
unmount_kernel_files "$root"

for list in "$folder"/absent.*; do
    role=${list##*.}
    say "layer of the role $role"
    mkdir -p "$folder/layers/$role" "$folder/work" "$folder/merged"
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$folder/layers/$role,workdir=$folder/work" "$folder/merged"
    mount_kernel_files "$folder/merged"
    # shellcheck disable=SC2046
    # dpkg, and not apt: it refuses where something else needs one of them, instead of removing that as well
    chroot "$folder/merged" eatmydata dpkg --purge $(cat "$list")
    rm -f "$folder/merged/usr/sbin/policy-rc.d"
    unmount_kernel_files "$folder/merged"
    umount "$folder/merged"
    rm -rf "$folder/work" "$folder/merged"
done
rm -f "$root/usr/sbin/policy-rc.d"
say "base of $(du -sm "$folder" | cut -f1) MB"
