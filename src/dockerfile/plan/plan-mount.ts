import { posix } from "node:path";
import type { RunMount } from "../../build/index.ts";
import type { Instruction, Mount } from "../instruction.ts";
import { mistake } from "../place.ts";
import type { StageState } from "./stage-state.ts";

type Run = Extract<Instruction, { kind: "run" }>;

/** Where a mount stands among those of its RUN, and the build arguments that were given. */
interface Place {
  readonly index: number;
  readonly given: ReadonlyMap<string, string>;
}

/**
 * A mount of RUN as the step is told of it; `input` names what `from` comes to.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`
 */
export function plannedMount(
  state: StageState,
  instruction: Run,
  mount: Mount,
  { index, given }: Place,
): RunMount {
  const input = `mount${index}`;
  const target = mount.target === undefined ? undefined : absolute(state, mount.target);
  if (mount.type === "secret") return secretMount(mount, target);
  if (mount.type === "ssh") {
    if (mount.source) throw mistake(instruction.place, "ssh does not support source", { part: mount.source });
    return sshMount(mount, target, index);
  }
  if (target === undefined || target === "/") {
    throw mistake(instruction.place, `invalid mount target ${JSON.stringify(mount.target ?? "")}`);
  }
  if (mount.type === "tmpfs") {
    return { type: "tmpfs", target, ...(mount.size === undefined ? {} : { size: mount.size }) };
  }
  const source = posix.normalize(`/${mount.source ?? ""}`);
  if (mount.type === "bind") {
    return { type: "bind", target, input, source, readOnly: mount.readOnly ?? true };
  }
  return cacheMount(mount, target, { input, source, namespace: given.get("BUILDKIT_CACHE_MOUNT_NS") });
}

function cacheMount(
  mount: Mount,
  target: string,
  { input, source, namespace }: { input: string; source: string; namespace: string | undefined },
): RunMount {
  const id = mount.id ?? clean(mount.target ?? "");
  const { mode, uid, gid } = mount;
  const owned = [mode, uid, gid].some((part) => part !== undefined);
  // As in BuildKit: caches of different owners are different caches, unless a directory decides who owns it.
  const filled = mount.from !== undefined && mount.from !== "" && (source !== "/" || !owned);
  return {
    type: "cache",
    target,
    id: `${namespace === undefined ? "" : `${namespace}/`}${id}${!filled && owned ? ` ${mode} ${uid} ${gid}` : ""}`,
    ...(filled ? { input, source } : {}),
    sharing: mount.sharing ?? "shared",
    mode: mode ?? 0o755,
    uid: uid ?? 0,
    gid: gid ?? 0,
    readOnly: mount.readOnly ?? false,
  };
}

function sshMount(mount: Mount, target: string | undefined, index: number): RunMount {
  return {
    type: "ssh",
    id: mount.id || "default",
    target: target ?? `/run/buildkit/ssh_agent.${index}`,
    required: mount.required ?? false,
    mode: (mount.mode ?? 0o600) & 0o777,
    uid: mount.uid ?? 0,
    gid: mount.gid ?? 0,
  };
}

function secretMount(mount: Mount, target: string | undefined): RunMount {
  const id = mount.id || mount.source || posix.basename(mount.target ?? "");
  // With `env` alone the secret is in the environment only.
  const place = target ?? (mount.env === undefined ? `/run/secrets/${posix.basename(id)}` : undefined);
  return {
    type: "secret",
    id,
    ...(place === undefined ? {} : { target: place }),
    ...(mount.env === undefined ? {} : { env: mount.env }),
    required: mount.required ?? false,
    mode: mount.mode ?? 0o400,
    uid: mount.uid ?? 0,
    gid: mount.gid ?? 0,
  };
}

function absolute(state: StageState, path: string): string {
  return posix
    .normalize(path.startsWith("/") ? path : `/${state.config.WorkingDir ?? ""}/${path}`)
    .replace(/(.)\/+$/, "$1");
}

/** As Go's `path.Clean`: a slash at the end is gone as well. */
function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 ? normal.replace(/\/$/, "") : normal;
}
