import type { RunMount, RunParameters } from "../build/index.ts";
import { type GoValue, unlessEmpty } from "./go-json.ts";

/** A mount of an exec operation, with the number of its input: -1 for none. */
export interface PlacedMount {
  readonly mount: RunMount;
  readonly input: number;
}

/** Mounts in BuildKit's order: by where they are, then secrets, then agents (client/llb/exec.go, `Marshal`). */
export function sortedMounts(mounts: readonly RunMount[]): readonly RunMount[] {
  const files = mounts.filter(({ type }) => type !== "secret" && type !== "ssh");
  return [
    ...files.sort((a, b) => Buffer.compare(Buffer.from(a.target ?? ""), Buffer.from(b.target ?? ""))),
    ...mounts.filter(({ type }) => type === "secret"),
    ...mounts.filter(({ type }) => type === "ssh").map(withAgentTarget(mounts)),
  ];
}

/** Where nobody says where an agent's socket is, it is numbered among the agents. */
function withAgentTarget(all: readonly RunMount[]): (mount: RunMount, at: number) => RunMount {
  return (mount, at) =>
    mount.target === `/run/buildkit/ssh_agent.${all.indexOf(mount)}`
      ? ({ ...mount, target: `/run/buildkit/ssh_agent.${at}` } as RunMount)
      : mount;
}

/**
 * What an exec operation's name is made of (moby/buildkit, solver/llbsolver/ops/exec.go), with the members of
 * solver/pb/ops.proto. Addresses of hosts and proxies do not count, nor what caches are called.
 *
 * @param mounts - {@link sortedMounts}
 */
export function execOperation(
  parameters: RunParameters,
  rootInput: number,
  mounts: readonly PlacedMount[],
): GoValue {
  const { platform, network, insecure } = parameters;
  const listed = mounts.flatMap((placed) => mountValue(placed) ?? []);
  const root = { input: unlessEmpty(rootInput), dest: "/" };
  return {
    Type: "buildkit.exec.v0",
    Exec: {
      meta: metaValue(parameters, mounts),
      // A root alone is left out, as it was in versions that knew no mounts.
      mounts: listed.length === 0 ? undefined : [root, ...listed],
      network: unlessEmpty(networkNumbers[network]),
      security: unlessEmpty(insecure ? 1 : 0),
      secretenv: unlessEmpty(mounts.flatMap(({ mount }) => secretVariable(mount))),
    },
    OS: platform.os,
    Arch: platform.architecture,
    Variant: unlessEmpty(platform.variant),
    OSVersion: unlessEmpty(platform["os.version"]),
    OSFeatures: unlessEmpty(platform["os.features"]),
  };
}

const networkNumbers = { default: 0, host: 1, none: 2 } as const;

function metaValue(parameters: RunParameters, mounts: readonly PlacedMount[]): GoValue {
  const { args, cwd, user, extraHosts, hostname, limits = [] } = parameters;
  return {
    args: unlessEmpty(args),
    env: unlessEmpty(environment(parameters, mounts)),
    cwd,
    user: unlessEmpty(user),
    extraHosts: unlessEmpty(extraHosts.map(([name]) => ({ Host: name }))),
    hostname: unlessEmpty(hostname),
    ulimit: unlessEmpty(
      limits.map(({ type, soft, hard }) => ({
        Name: type.replace(/^RLIMIT_/, "").toLowerCase(),
        Soft: unlessEmpty(soft),
        Hard: unlessEmpty(hard),
      })),
    ),
    removeMountStubsRecursive: true,
  };
}

/** Whoever has an agent is told where, unless they say so themselves. */
function environment({ env }: RunParameters, mounts: readonly PlacedMount[]): readonly string[] {
  const agent = mounts.find(({ mount }) => mount.type === "ssh");
  if (agent === undefined || env.some((line) => line.startsWith("SSH_AUTH_SOCK="))) return env;
  return [...env, `SSH_AUTH_SOCK=${agent.mount.target}`];
}

function secretVariable(mount: RunMount): readonly GoValue[] {
  if (mount.type !== "secret" || mount.env === undefined) return [];
  return [{ ID: mount.id, name: unlessEmpty(mount.env), optional: unlessEmpty(!mount.required) }];
}

/** Nothing for a secret that is a variable only. */
function mountValue({ mount, input }: PlacedMount): GoValue | undefined {
  const { target: dest } = mount;
  if (dest === undefined) return undefined;
  const files = { input: unlessEmpty(input), dest, output: -1 };
  switch (mount.type) {
    case "bind":
      return { ...files, readonly: unlessEmpty(mount.readOnly) };
    case "cache": {
      const readonly = unlessEmpty(mount.readOnly);
      return { ...files, readonly, mountType: 3, cacheOpt: cacheValue(mount) };
    }
    case "tmpfs":
      return { ...files, mountType: 4, TmpfsOpt: { size: unlessEmpty(mount.size) } };
    case "secret":
      return { input: -1, dest, mountType: 1, secretOpt: accessValue(mount) };
    case "ssh":
      return { input: -1, dest, mountType: 2, SSHOpt: accessValue(mount) };
  }
}

/** What a cache is called counts where it is called after its place only: such caches once had no names. */
function cacheValue({ id, target, sharing }: Extract<RunMount, { type: "cache" }>): GoValue {
  const { name } = cacheName(id);
  if (sharing !== "shared") return {};
  if (name === target || `/${name}` === target) return { ID: `/${name}` };
  return name.endsWith(`/${target}`) && !name.slice(0, -target.length - 1).includes("/") ? { ID: name } : {};
}

/** Caches of owners of their own have these behind their names here. */
export function cacheName(id: string): { readonly name: string; readonly owned: boolean } {
  const name = id.replace(/( (?:undefined|\d+)){3}$/, "");
  return { name, owned: name !== id };
}

function accessValue(mount: Extract<RunMount, { type: "secret" | "ssh" }>): GoValue {
  const { type, id, uid, gid, mode, required } = mount;
  return {
    // The agent that is meant when nobody says which has no name.
    ID: type === "ssh" && id === "default" ? undefined : id,
    uid: unlessEmpty(uid),
    gid: unlessEmpty(gid),
    mode: unlessEmpty(mode),
    optional: unlessEmpty(!required),
  };
}
