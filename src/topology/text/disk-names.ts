/**
 * The disk that a path of a multipath NVMe disk belongs to: `nvme0c1n2` is subsystem 0, controller 1, head 2, and the disk
 * that people open is `nvme0n2` (Linux drivers/nvme/host/multipath.c, nvme_mpath_set_disk_name). Undefined for other names.
 */
export function diskOfPath(name: string): string | undefined {
  const match = /^nvme(\d+)c\d+n(\d+)$/.exec(name);
  return match === null ? undefined : `nvme${match[1]}n${match[2]}`;
}
