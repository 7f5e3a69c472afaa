import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { DockerfilePlace } from "./dockerfile-place.ts";
import { type RegistryProcess, whittleServe } from "./registry-servers.ts";

/** What runs the field's other tools in a root of their own, where it is. */
export const peers = join(import.meta.dirname, "../../shared/tools/peers");

const home = process.env["PEERS_DIR"] ?? join(homedir(), ".cache/whittle-peers");

/** A directory that these tools see under the same path. */
export const peersDirectory = join(home, "work");

/** Whether the tools are there. */
export const isSetUp = existsSync(peers) && existsSync(join(home, "ready"));

let isUp: boolean | undefined;

/** Whether their docker engine answers; where it does not, what is not done is told. */
export function engineAnswers(otherwise: string): boolean {
  isUp ??= isSetUp && spawnSync(peers, ["run", "docker", "version"]).status === 0;
  if (!isUp) console.warn(`no docker engine of ${peers} answers: ${otherwise}`);
  return isUp;
}

/** Runs docker; where it fails, what it prints is the error. */
export function docker(...words: string[]): { readonly stdout: string; readonly stderr: string } {
  const { status, stdout, stderr } = spawnSync(peers, ["run", "docker", ...words], { encoding: "utf8" });
  if (status !== 0) throw new Error(`docker ${words.slice(0, 2).join(" ")}: ${stdout}${stderr}`);
  return { stdout, stderr };
}

/** Where both builders build: a directory that both see, a place of ours, and a registry for images and caches. */
export class EnginePlace {
  readonly directory: string;
  readonly ours: DockerfilePlace;
  readonly registry: RegistryProcess;

  private constructor(directory: string, ours: DockerfilePlace, registry: RegistryProcess) {
    this.directory = directory;
    this.ours = ours;
    this.registry = registry;
  }

  static async make(): Promise<EnginePlace> {
    mkdirSync(peersDirectory, { recursive: true });
    const directory = mkdtempSync(join(peersDirectory, "place-"));
    const ours = await DockerfilePlace.make();
    return new EnginePlace(directory, ours, await whittleServe(join(ours.directory, "served")));
  }

  async remove(): Promise<void> {
    await this.registry.stop();
    this.ours.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Puts the image `busybox` into the registry; answers with its name there. */
  async pushBase(): Promise<string> {
    const base = `${this.registry.host}/busybox:1`;
    const { status, stderr } = await this.ours.whittle(["push", "busybox", base]);
    if (status !== 0) throw new Error(stderr);
    return base;
  }

  /** A directory with a Dockerfile. */
  context(dockerfile: string, files: Readonly<Record<string, string>> = {}): string {
    const directory = mkdtempSync(join(this.directory, "context-"));
    for (const [name, content] of Object.entries({ Dockerfile: dockerfile, ...files })) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), content);
    }
    return directory;
  }
}

/** Builds with BuildKit; where it fails, what it prints is the error. */
export function buildx(...words: string[]): string {
  const fixed = ["--provenance=false", "--network=host"];
  return docker("buildx", "build", ...fixed, ...words).stderr;
}
