#!/usr/bin/env bash
# Makes a minimal Debian image out of this machine's own package sources, for
# machines that can reach a Debian mirror but no registry.
#
#   base-image.sh IMAGE     build IMAGE, unless local storage has it already
#   base-image.sh --apt DIR write what apt needs to use the same sources into
#                           DIR/sources.list.d and DIR/apt.conf.d
#
# The sources stay out of the image: who builds on it mounts these two folders.
set -euo pipefail

readonly SUITE=bookworm
readonly IMAGE_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# One line per index of Debian itself that this machine's apt is configured
# with, whichever format its files are in: address, suite, component.
debian_sources() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' |
    awk -v suite="$SUITE" 'index($2, suite) == 1' | sort -u
}

require_sources() {
  [[ -n $(debian_sources) ]] || apt-get -q -y update >/dev/null
  [[ -z $(debian_sources) ]] || return 0
  echo "base-image.sh: apt on this machine has no source of Debian $SUITE;" \
    "add one, or load the base image into local storage by other means" >&2
  return 1
}

write_apt_files() {
  mkdir -p "$1/sources.list.d" "$1/apt.conf.d"
  debian_sources | sed 's/^/deb /' >"$1/sources.list.d/machine.list"
  # Proxies, time-outs and the like.
  apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' \
    >"$1/apt.conf.d/50machine"
}

mirror() {
  debian_sources | awk -v suite="$SUITE" '$2 == suite {print $1; exit}'
}

make_image() {
  local image=$1 work container url
  buildah inspect --type image "$image" >/dev/null 2>&1 && return 0
  require_sources
  url=$(mirror)
  work=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf --one-file-system '$work'" EXIT
  debootstrap --variant=minbase "$SUITE" "$work/root" "$url" \
    >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; return 1; }
  rm -rf "$work"/root/etc/apt/sources.list \
    "$work"/root/var/cache/apt/archives/*.deb \
    "$work"/root/var/lib/apt/lists/*
  tar -C "$work/root" -cf "$work/root.tar" --exclude=./dev/\* .
  container=$(buildah from scratch)
  buildah add -q "$container" "$work/root.tar" / >/dev/null
  buildah config --cmd bash --env "PATH=$IMAGE_PATH" "$container"
  buildah commit -q --rm "$container" "$image" >/dev/null
}

case "${1:-}" in
  "" | -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
  --apt)
    require_sources
    write_apt_files "${2:?--apt needs a directory}" ;;
  *) make_image "$1" ;;
esac
