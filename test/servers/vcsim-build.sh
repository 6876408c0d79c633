#!/usr/bin/env bash
# Builds vcsim, the simulator of the vSphere API, from Debian's source package of govmomi (its binary package leaves
# vcsim out), once, into a cache outside of the repository. Prints the path of the program.
# What it lacks and a test needs is added to its package from vcsim-more/*.go; the cache goes by their content.
# Needs Debian with deb-src reachable where deb is, and the packages golang-go, golang-github-kr-pretty-dev,
# golang-github-google-uuid-dev and dpkg-dev.
set -euo pipefail

cache=${VMFERRY_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vmferry-test}
more=$(cd "$(dirname "$0")" && pwd)/vcsim-more
program=$cache/vcsim-$(find "$more" -name '*.go' -print0 | sort -z | xargs -0 cat "$0" | sha256sum | cut -c1-16)
if [ "${1:-}" != --rebuild ] && [ -x "$program" ]; then
  echo "$program"
  exit 0
fi
for tool in apt-get go dpkg-source; do
  command -v "$tool" >/dev/null || { echo "vcsim can't be built: no $tool" >&2; exit 1; }
done

mkdir -p "$cache"
work=$(mktemp -d "$cache/build-XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# An apt state of its own: the system's lists stay as they are.
mkdir -p "$work"/state/lists/partial "$work"/archives/partial "$work"/parts
own=(-o "Dir::State=$work/state" -o "Dir::State::lists=$work/state/lists" -o "Dir::Cache::archives=$work/archives"
  -o "Dir::Cache::pkgcache=$work/pkgcache" -o "Dir::Cache::srcpkgcache=$work/srcpkgcache"
  -o APT::Sandbox::User= -o APT::Get::List-Cleanup=false)
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
# Where the system's packages come from, as a line for their sources.
sources() {
  apt-get "$@" indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
    sort -u | awk -v codename="$codename" '$1 == "Debian" && $3 == codename { print "deb-src", $2, $3, $4 }'
}
sources >"$work/sources.list"
if [ ! -s "$work/sources.list" ]; then
  apt-get "${own[@]}" -qq update >&2
  sources "${own[@]}" >"$work/sources.list"
fi
[ -s "$work/sources.list" ] || { echo "vcsim can't be built: apt knows no Debian $codename" >&2; exit 1; }
apt=("${own[@]}" -o "Dir::Etc::SourceList=$work/sources.list" -o "Dir::Etc::SourceParts=$work/parts")
apt-get "${apt[@]}" -qq update >&2
(cd "$work" && apt-get "${apt[@]}" -qq source --download-only golang-github-vmware-govmomi >&2)

module=$work/go/src/github.com/vmware/govmomi
mkdir -p "$(dirname "$module")"
dpkg-source --no-check -x "$work"/*.dsc "$module" >&2
cd "$module"
for file in "$more"/*.go; do
  [ ! -e "$file" ] || cp "$file" simulator/
done
# Go lets nobody replace a method: those that vcsim-more/ writes better are put out of its way.
sed -i 's/) AcquireGenericServiceTicket(/) formerAcquireGenericServiceTicket(/' simulator/session_manager.go
sed -i 's/^func (p \*ResourcePool) ImportVApp(/func (p *ResourcePool) formerImportVApp(/' simulator/resource_pool.go
sed -i -E 's/\) (HttpNfcLease(Complete|Abort))\(/) former\1(/' simulator/http_nfc_lease.go
GO111MODULE=off GOPATH=$work/go:/usr/share/gocode GOCACHE=$work/gocache GOFLAGS= \
  go build -o "$work/vcsim" ./vcsim >&2
mv "$work/vcsim" "$program"
echo "$program"
