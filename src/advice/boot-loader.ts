/**
 * How a kernel parameter with semicolons gets through the boot loaders.
 *
 * `;` ends a command in GRUB's own language, so it must be quoted in grub.cfg; /etc/default/grub is shell, which is
 * one layer more; systemd-boot passes the line on as it is. One form is right behind all of them: `pci="…"`, the
 * whole value in double quotes. GRUB takes such quotes away (GRUB manual, "Shell-like scripting", quoting), and where they
 * reach the kernel, it takes them away itself (Linux lib/cmdline.c, next_arg). A backslash is lost where tools
 * rewrite the line with sed, as for Boot Loader Specification entries on Fedora and RHEL.
 */

/** One boot loader's way to make a parameter permanent. */
export interface BootLoaderSteps {
  readonly loader: 'grub' | 'grubby' | 'systemd-boot';
  /** Which systems this is for. */
  readonly where: string;
  /** The file to change, and the line to put there; null for `grubby`, which changes them itself. */
  readonly file: string | null;
  readonly line: string | null;
  /** Run afterwards. */
  readonly commands: readonly string[];
}

/** `pci="disable_acs_redir=0000:02:00.0;0000:02:01.0"`: as it should stand on the kernel command line. */
export function quotedParameter(name: string, value: string): string {
  return `${name}="${value}"`;
}

/** @param parameter  made by quotedParameter: no single quote, backslash or dollar sign in it */
export function bootLoaderSteps(parameter: string): BootLoaderSteps[] {
  return [
    {
      loader: 'grub',
      where: 'Debian, Ubuntu, SUSE, Arch: at the end of /etc/default/grub, which is read as shell',
      file: '/etc/default/grub',
      line: `GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${parameter.replaceAll('"', '\\"')}"`,
      commands: ['update-grub    # or: grub2-mkconfig -o /boot/grub2/grub.cfg'],
    },
    {
      loader: 'grubby',
      where: 'Fedora, RHEL and their relatives, where entries are not made from /etc/default/grub',
      file: null,
      line: null,
      commands: [
        `grubby --update-kernel=ALL --args='${parameter}'`,
        'grubby --info=DEFAULT    # the quotes must still be there',
      ],
    },
    {
      loader: 'systemd-boot',
      where: 'systemd-boot and unified kernel images: append to the one line of the file',
      file: '/etc/kernel/cmdline',
      line: parameter,
      commands: ['kernel-install add-all    # or: reinstall-kernels'],
    },
  ];
}
