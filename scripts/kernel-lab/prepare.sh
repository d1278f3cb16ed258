#!/bin/bash
# Makes everything the kernel oracle needs beyond installed packages: the kernel, the test module for it, and a QEMU that
# takes devices over vfio-user.
#
#   prepare.sh [--series 7.2|newest]                   default $PEERLANE_KERNEL_SERIES, else 7.2
set -euo pipefail
here="$(dirname "$0")"
version="$("$here/fetch-kernel.sh" "$@")"
"$here/build-module.sh" "$version" > /dev/null
"$here/newer-qemu.sh" > /dev/null
