#!/bin/sh
# The inside of hosts made of namespaces; started by tests/parts/hosts.py, never by hand. Everything ends with its stdin.
#   control FOLDER              the server's side: a bridge at 10.77.0.1, and FOLDER/home as the home of root
#   chassis NAME FOLDER BYTES TREE  what outlives a power cut: name, files and disks of a host, BYTES for its homes;
#                               TREE: the project's own folder
#   boot BOOT_ID                pid 1 of a running host: sshd as soon as there is a network, then reaping orphans
set -e
what=$1; shift
case $what in
control)
    mount --bind "$1/passwd" /etc/passwd
    ip link set lo up
    ip link add bridge type bridge
    ip addr add 10.77.0.1/16 dev bridge
    ip link set bridge up
    echo ready; exec cat ;;
chassis)
    hostname "$1"
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/sshd /run/home
    cp -r "$2" /run/box
    umount -R -l /sys/fs/cgroup 2>/dev/null || true      # shared with other hosts otherwise
    mkdir /run/tree
    mount --bind "$4" /run/tree
    mount -t tmpfs -o mode=1777 tmpfs /tmp
    if ! test -e "$4"; then mkdir -p "$4"; mount --bind /run/tree "$4"; fi      # a clone below /tmp is seen there too
    mount -t tmpfs -o "mode=755,size=$3" tmpfs /run/home
    for home in root:0 ann:2001 bob:2002; do
        mkdir -m 700 "/run/home/${home%:*}"
        chown "${home#*:}:${home#*:}" "/run/home/${home%:*}"
    done
    mount --bind /run/box/passwd /etc/passwd
    echo ready; exec cat ;;
boot)
    echo "$1" > /run/box/boot_id
    mount --bind /run/box/boot_id /proc/sys/kernel/random/boot_id
    ip link set lo up
    echo ready; read -r _
    /usr/sbin/sshd -f /run/box/sshd_config
    exec 3<&0                                            # what runs in the background has no other standard input
    cat <&3 >/dev/null &
    wait ;;
esac
