#!/bin/sh
# Makes sure of a Chromium and prints where it is. CHROMIUM names one of your own.
set -eu

found() {
    for name in ${CHROMIUM:-chromium chromium-browser google-chrome-stable google-chrome}; do
        command -v "$name" && return
    done
    return 1
}

give_up() {
    echo "test-browser: no Chromium found, and $1. Install one, or name it: make test-browser CHROMIUM=/path/to/chromium" >&2
    exit 1
}

found && exit
[ -z "${CHROMIUM:-}" ] || give_up "CHROMIUM=$CHROMIUM is no program"
command -v apt-get > /dev/null || give_up "this system has no apt-get"
if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2> /dev/null; then
    as_root=sudo
else
    give_up "only root may install it here"
fi
export DEBIAN_FRONTEND=noninteractive
{
    $as_root apt-get update
    $as_root apt-get install --yes --no-install-recommends chromium fonts-dejavu-core
} > /dev/null 2>&1 || give_up "apt-get could not install it"
found || give_up "apt-get installed none"
