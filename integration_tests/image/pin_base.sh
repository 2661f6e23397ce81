#!/usr/bin/env bash
# Pins the base that a Dockerfile names by the digest that its registry has for it today, so that
# the same Dockerfile is the same base. Without a Docker engine, or its registry, nothing changes.
#
# usage: pin_base.sh DOCKERFILE
set -euo pipefail

base=$(sed -n 's/^ARG BASE=//p' "$1")
name=${base%@*}
docker pull --quiet "$name" >&2
digest=$(docker image inspect --format '{{index .RepoDigests 0}}' "$name")
case $digest in *@sha256:*) ;; *) echo "$name has no digest: $digest" >&2 && exit 1 ;; esac
sed -i "s|^ARG BASE=.*|ARG BASE=$name@${digest##*@}|" "$1"
echo "$1: $name is ${digest##*@}" >&2
