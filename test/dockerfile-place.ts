import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { prepareStore } from "./conformance/own-runner.ts";
import { type Finished, program, temporary } from "./program.ts";

/** How one build differs from the others of its place. */
export interface BuildSettings {
  /** What standard input holds. */
  readonly input?: Uint8Array | string;
  /** Instead of the place's own store: as another machine has one. */
  readonly store?: string;
  readonly environment?: NodeJS.ProcessEnv;
}

/** A directory with a store that has the image `busybox`, and a cache of its own. */
export class DockerfilePlace {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async make(): Promise<DockerfilePlace> {
    const directory = temporary();
    await prepareStore(directory);
    return new DockerfilePlace(directory);
  }

  /** Writes files below the place; answers with the path of the first one's directory. */
  files(name: string, files: Readonly<Record<string, string | Uint8Array>>): string {
    const top = join(this.directory, name);
    mkdirSync(top, { recursive: true });
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(top, path)), { recursive: true });
      writeFileSync(join(top, path), content);
    }
    return top;
  }

  /** Runs `whittle` in the place. */
  whittle(words: readonly string[], settings: BuildSettings = {}): Promise<Finished> {
    const store = settings.store ?? join(this.directory, "store");
    const child = spawn(process.execPath, [program, ...words], {
      cwd: this.directory,
      env: {
        ...process.env,
        WHITTLE_STORE: store,
        XDG_CACHE_HOME: join(this.directory, settings.store === undefined ? "cache" : "other-cache"),
        NO_COLOR: "1",
        ...settings.environment,
      },
    });
    child.stdin.on("error", () => undefined).end(settings.input ?? "");
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("latin1").on("data", (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (status, signal) => resolve({ status, signal, stdout, stderr }));
    });
  }

  /** Builds without a network for RUN; a build that fails is an error of the test. */
  async build(words: readonly string[], settings: BuildSettings = {}): Promise<Finished> {
    const finished = await this.tryBuild(words, settings);
    if (finished.status !== 0) throw new Error(`status ${finished.status}: ${finished.stderr}`);
    return finished;
  }

  tryBuild(words: readonly string[], settings: BuildSettings = {}): Promise<Finished> {
    return this.whittle(["build", "--network=none", ...words], settings);
  }

  /** The paths of the files of an image. */
  async paths(image: string): Promise<string[]> {
    const { stdout, stderr } = await this.whittle(["tree", image, "--format", "json"]);
    if (stdout === "") throw new Error(stderr);
    const entries = JSON.parse(stdout) as { path: string; type: string }[];
    return entries.filter(({ type }) => type !== "directory").map(({ path }) => path);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
