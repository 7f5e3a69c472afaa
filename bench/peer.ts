import { spawnSync } from "node:child_process";
import type { Contestant } from "./case.ts";

/** Which peers this machine has, and how they are run. */
export interface Peers {
  readonly prefix: readonly string[];
  readonly docker: boolean;
  readonly buildah: boolean;
}

/** A build by others: flags and what is done before each round. */
export interface PeerBuild {
  readonly name: string;
  readonly context: string;
  readonly network: "host" | "none";
  readonly flags?: readonly string[];
  readonly prepare?: NonNullable<Contestant["prepare"]>;
}

/** The same build by docker buildx and by buildah, where the machine has them. */
export function peerBuilds(peers: Peers, build: PeerBuild): Contestant[] {
  const common = [
    `--network=${build.network}`,
    "-q",
    "-t",
    build.name,
    ...(build.flags ?? []),
    build.context,
  ];
  return [
    ...(peers.docker ? [peer(peers, "docker buildx", ["docker", "buildx", "build", ...common], build)] : []),
    ...(peers.buildah
      ? [
          peer(
            peers,
            "buildah",
            ["buildah", "build", "--pull=never", "--layers", "--jobs", "2", ...common],
            build,
          ),
        ]
      : []),
  ];
}

function peer(
  peers: Peers,
  name: string,
  words: readonly [string, ...string[]],
  { prepare }: PeerBuild,
): Contestant {
  return {
    name,
    ...(prepare === undefined ? {} : { prepare }),
    command: () => ({ words: [...peers.prefix, ...words] as [string, ...string[]] }),
  };
}

/** Looks for peers on the PATH, or behind the words that `prefix` puts in front of a command. */
export function findPeers(prefix: readonly string[]): Peers {
  const works = (...words: string[]): boolean => {
    const [program = "", ...rest] = [...prefix, ...words];
    return spawnSync(program, rest, { stdio: "ignore" }).status === 0;
  };
  return { prefix, docker: works("docker", "buildx", "version"), buildah: works("buildah", "--version") };
}

/** Those of the peers that have an image which their build stands on; of the others a line says why they are left out. */
export function peersWith(peers: Peers, image: string): Peers {
  const has = (peer: "docker" | "buildah", ...words: string[]): boolean => {
    if (!peers[peer]) return false;
    const [program = "", ...rest] = [...peers.prefix, peer, ...words, image];
    const found = spawnSync(program, rest, { stdio: "ignore" }).status === 0;
    if (!found)
      process.stderr.write(`bench: ${peer} is left out where ${image} is built on: it has no such image\n`);
    return found;
  };
  return {
    prefix: peers.prefix,
    docker: has("docker", "image", "inspect"),
    buildah: has("buildah", "inspect", "--type", "image"),
  };
}

/** Gives the peers an image of one layer. */
export function importBase(peers: Peers, tar: string, name: string): void {
  const importers = [...(peers.docker ? ["docker"] : []), ...(peers.buildah ? ["podman"] : [])];
  for (const importer of importers) {
    const [program = "", ...rest] = [...peers.prefix, importer, "import", tar, name];
    const done = spawnSync(program, rest, { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`${importer} import ${tar} failed: ${done.stderr}`);
  }
}

/** Gives the peers an image with its names. */
export function loadImage(peers: Peers, archive: string): void {
  for (const loader of [...(peers.docker ? ["docker"] : []), ...(peers.buildah ? ["podman"] : [])]) {
    const [program = "", ...rest] = [...peers.prefix, loader, "load", "-i", archive];
    const done = spawnSync(program, rest, { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`${loader} load ${archive} failed: ${done.stderr}`);
  }
}
