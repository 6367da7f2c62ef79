#!/bin/sh
# Install the packages of requirements/system-packages.txt that are missing (root), or name them (not root).
set -eu
list="$(dirname "$0")/../requirements/system-packages.txt"
if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "Not a Debian system. The tests need these programs: $(grep -v '^#' "$list" | tr '\n' ' ')"
    exit 0
fi
missing=""
for package in $(grep -v '^#' "$list"); do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]; then
        missing="$missing $package"
    fi
done
if [ -z "$missing" ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "The tests need these system packages:$missing"
    echo "Install them as root: apt-get install$missing"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 - a list of words
apt-get install -q -y --no-install-recommends $missing
