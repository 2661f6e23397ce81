#!/usr/bin/env bash
# Builds the image of each connector, tagged and labelled with what its metadata.yaml says, and
# leaves in the folder given: `CONNECTOR.id` (its image), `CONNECTOR.cdx.json` (what Python packages
# are in it, in CycloneDX's form), `base` (their base) and `engine` (a command that takes Docker's
# arguments). The second takes little: all but its own code is the first one's.
#
# A Docker engine is used where one answers. Else Debian's buildah and podman are, which need none;
# then the base is made by debootstrap, so that no image registry is needed either.
#
# usage: build.sh FOLDER CYCLONEDX CONNECTOR...
#   CYCLONEDX      an environment with CycloneDX's tool for Python
#   CONNECTOR      the folder of a connector
#   BASE           base image, as in the Dockerfile; with Docker only
#   PYTHON         whose pip settings hold, python3
#   DEBIAN_MIRROR  where debootstrap loads from, if not from its own default
set -euo pipefail
made=$(mkdir -p "$1" && cd "$1" && pwd)
tool=$(cd "$2"/lib/python3*/site-packages && pwd)
connectors=("${@:3}")
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
root=()
if [ "$(id -u)" -ne 0 ]; then root=(sudo); fi

say() { printf '%s\n' "$*" >&2; }

give_up() {
    say "$@"
    exit 1
}

# Debian's packages, where they are not there yet.
install_packages() {
    local missing=()
    for program in buildah podman debootstrap runc; do
        # Debian's place for some of them is not on everybody's PATH.
        PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || missing+=("$program")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || give_up "No Docker engine answers, and there is no apt-get to install: ${missing[*]}."
    [ ${#root[@]} -eq 0 ] || command -v sudo >/dev/null || give_up "Installing ${missing[*]} needs root or sudo; or start a Docker engine."
    say "Installing ${missing[*]} from Debian."
    local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
    {
        "${apt[@]}" update
        "${apt[@]}" install --yes --no-install-recommends "${missing[@]}"
    } >"$made/apt.log" 2>&1 || give_up "apt-get failed: $(tail -5 "$made/apt.log")"
}

# Debian's Python as a base, kept in the folder: a minute once.
import_base() {
    local tar=$made/base.tar rootfs
    if [ ! -s "$tar" ]; then
        say "Making a base image with debootstrap."
        rootfs=$("${root[@]}" mktemp -d "${TMPDIR:-/var/tmp}/base.XXXXXX")
        # shellcheck disable=SC2064  # the folder is named now
        trap "${root[*]} rm -rf --one-file-system '$rootfs'" EXIT
        "${root[@]}" env PATH="$PATH:/usr/sbin:/sbin" debootstrap --variant=minbase \
            --include=python3,python3-venv,ca-certificates \
            bookworm "$rootfs" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$made/debootstrap.log" 2>&1 \
            || give_up "debootstrap failed: $(tail -5 "$made/debootstrap.log")"
        "${root[@]}" tar -C "$rootfs" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists -c . >"$tar.part"
        mv "$tar.part" "$tar"
    fi
    "$made/engine" import --quiet "$tar" localhost/python-connector-base:local >/dev/null
}

# The first of these that names a file: the machine's certificate authorities, for pip.
certificates() {
    local file
    for file in "${PIP_CERT:-}" "$("$python" -m pip config get global.cert 2>/dev/null || true)" \
        "${REQUESTS_CA_BUNDLE:-}" "${SSL_CERT_FILE:-}"; do
        if [ -s "$file" ]; then
            printf '%s' "$file"
            return
        fi
    done
}

# What pip inside the build has to know of this machine. Folders of this machine mean nothing there.
pip_conf() {
    local name variable value
    printf '[global]\n'
    [ -z "$(certificates)" ] || printf 'cert = /run/certificates.pem\n'
    for name in index-url extra-index-url trusted-host; do
        variable=PIP_$(tr a-z- A-Z_ <<<"$name")
        value=${!variable:-$("$python" -m pip config get "global.$name" 2>/dev/null || true)}
        case $value in "" | *file:* | /*) ;; *) printf '%s = %s\n' "$name" "$value" ;; esac
    done
}

write_engine() {
    {
        printf '#!/bin/sh\nexec'
        printf ' %q' "$@"
        # shellcheck disable=SC2016  # for the command written here
        printf ' "$@"\n'
    } >"$made/engine"
    chmod +x "$made/engine"
}

# The connector that the project is named for has its own where Airbyte looks for it.
metadata_file() { if [ -e "$1/metadata.yaml" ]; then echo "$1/metadata.yaml"; else echo metadata.yaml; fi; }

# One line of a connector's metadata.yaml; its two readers (this one and the tests') have to agree.
metadata() { sed -n "s/^  $2: //p" "$(metadata_file "$1")"; }

megabytes() { "$made/engine" image inspect --format '{{.Size}}' "$1" | awk '{ printf "%d", $1 / 1e6 }'; }

# Called with what builds, and the options by which it leaves the layers for the next image.
build() {
    local connector=$1 id=$made/$1.id name version old new
    shift
    name=$(metadata "$connector" dockerRepository)
    version=$(metadata "$connector" dockerImageTag)
    old=$(cat "$id" 2>/dev/null || true)
    "$@" "${secrets[@]}" --build-arg "BASE=$base" --build-arg "CONNECTOR=$connector" \
        --build-arg "NAME=$name" --build-arg "VERSION=$version" --tag "$name:$version" --tag "$name" \
        --iidfile "$id.new" . >"$made/build.log" 2>&1 \
        || give_up "The build failed: $(tail -20 "$made/build.log")"
    mv "$id.new" "$id"
    new=$(cat "$id")
    # The build before has lost its tag; unless something runs on it, nobody will miss it.
    [ -z "$old" ] || [ "$old" = "$new" ] || "$made/engine" rmi "$old" >/dev/null 2>&1 || true
    say "Image $name:$version: $(megabytes "$new") MB, of which $(megabytes "$base") MB are its base, $base."
}

# Asked of the environment that is in the image. The tool is only lent to it, and is not listed: the
# Python whose packages are listed is started by it anew. Without a time or a number of its own, so
# that the same image gives the same list. Not validated there: that needs compiled packages, and
# the image's Python may be another than the tool's. `integration_tests/image` validates it.
bill_of_materials() {
    local connector=$1 bill=$made/$1.cdx.json
    "$made/engine" run --rm --network=none --volume "$tool:/cyclonedx:ro" \
        --entrypoint /connector/bin/python "$(cat "$made/$connector.id")" -c '
import runpy, sys
sys.path.insert(0, "/cyclonedx")
sys.argv = ["cyclonedx-py", *sys.argv[1:]]
runpy.run_module("cyclonedx_py", run_name="__main__")' \
        environment --output-reproducible --no-validate --spec-version 1.6 /connector/bin/python \
        >"$bill.new" 2>"$made/cyclonedx.log" || give_up "CycloneDX failed: $(tail -5 "$made/cyclonedx.log")"
    mv "$bill.new" "$bill"
}

pip_conf >"$made/pip.conf"
secrets=(--secret "id=pip.conf,src=$made/pip.conf")
bundle=$(certificates)
[ -z "$bundle" ] || secrets+=(--secret "id=certificates,src=$bundle")

if docker info >/dev/null 2>&1; then
    say "Building with Docker."
    base=${BASE:-$(sed -n 's/^ARG BASE=//p' Dockerfile)}
    write_engine docker
    builder=(env DOCKER_BUILDKIT=1 docker build)
    docker image inspect "$base" >/dev/null 2>&1 || docker pull --quiet "$base" >&2
else
    install_packages
    # Defaults that also hold inside a container, where limits cannot be raised.
    cat >"$made/containers.conf" <<-CONF
	[engine]
	runtime = "runc"
	[containers]
	default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
	CONF
    write_engine "${root[@]}" env "CONTAINERS_CONF=$made/containers.conf" podman
    base=localhost/python-connector-base:local
    import_base
    say "Building with buildah: no Docker engine answers."
    builder=("${root[@]}" buildah bud --isolation chroot --layers)
fi
printf '%s\n' "$base" >"$made/base"
for connector in "${connectors[@]}"; do
    build "$connector" "${builder[@]}"
    bill_of_materials "$connector"
done
