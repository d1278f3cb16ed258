/** Runs something with the rights of a user who has none. Tests often run as root, and the rest of the world does not. */
const NOBODY = 65534;

/** Where the process is root it steps down for the time of `run`, which must be synchronous. */
export function asNobody<T>(run: () => T): T {
  if (process.geteuid?.() !== 0 || process.seteuid === undefined) {
    return run();
  }
  process.seteuid(NOBODY);
  try {
    return run();
  } finally {
    process.seteuid(0);
  }
}
