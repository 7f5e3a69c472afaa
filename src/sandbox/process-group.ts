import type { ChildProcess } from "node:child_process";

/** Ends the group of processes that a detached child leads, itself included; nothing when all of them have ended. */
export function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

/**
 * Has what a detached child leaves end with it. The process that unshare(1) forks to map further ids waits forever where
 * no user namespace may be made (util-linux 2.38), and keeps open what it inherited.
 */
export function endWithLeader(child: ChildProcess): void {
  child.once("exit", () => killGroup(child));
}
