import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What apt answers: `name version` lines, sorted, or `undefined` where it refuses. */
export type AptAnswer = readonly string[] | undefined;

/**
 * apt itself over a `Packages` file of one's own: an empty root, no network, nothing of the host's settings.
 */
export class AptUniverse implements AsyncDisposable {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** The `Packages` file that apt reads. */
  get packages(): string {
    return join(this.directory, "repository", "Packages");
  }

  static async make(packages: string): Promise<AptUniverse> {
    const directory = await mkdtemp(join(tmpdir(), "whittle-apt-"));
    const universe = new AptUniverse(directory);
    const directories = [
      "repository",
      "etc/apt/apt.conf.d",
      "etc/apt/preferences.d",
      "etc/apt/sources.list.d",
      "etc/apt/trusted.gpg.d",
      "var/lib/apt/lists/partial",
      "var/cache/apt/archives/partial",
      "var/lib/dpkg",
      "var/log/apt",
    ];
    for (const each of directories) await mkdir(join(directory, each), { recursive: true });
    await writeFile(universe.packages, packages);
    await writeFile(join(directory, "var/lib/dpkg/status"), "");
    await writeFile(
      join(directory, "etc/apt/sources.list"),
      `deb [trusted=yes] file:${directory}/repository ./\n`,
    );
    await writeFile(join(directory, "apt.conf"), configuration(directory));
    await universe.#run(["-q=2", "update"]);
    return universe;
  }

  /** What `apt-get install` would install. */
  async install(packages: readonly string[], recommends: boolean): Promise<AptAnswer> {
    const option = recommends ? "--install-recommends" : "--no-install-recommends";
    const { text } = await this.#run([
      "-s",
      "-V",
      option,
      "-o",
      "Debug::NoLocking=1",
      "install",
      ...packages,
    ]);
    // Not the lines of the simulated installation: apt may find the set and then fail to order it.
    const list = /^The following NEW packages will be installed:\n((?: {3}\S+ \(\S+\)\n)+)/m.exec(text)?.[1];
    if (list === undefined) return undefined;
    return [...list.matchAll(/(\S+) \((\S+)\)/g)].map(([, name, version]) => `${name} ${version}`).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  #run(args: readonly string[]): Promise<{ code: number; text: string }> {
    const env = { ...process.env, APT_CONFIG: join(this.directory, "apt.conf"), LC_ALL: "C" };
    return new Promise((done, fail) => {
      execFile("apt-get", args, { env, maxBuffer: 2 ** 26 }, (error, stdout) => {
        if (error !== null && typeof error.code !== "number") fail(error);
        else done({ code: typeof error?.code === "number" ? error.code : 0, text: stdout });
      });
    });
  }
}

function configuration(directory: string): string {
  return [
    `Dir "${directory}";`,
    `Dir::State::status "${directory}/var/lib/dpkg/status";`,
    `Dir::Log "${directory}/var/log/apt";`,
    'APT::Architecture "amd64";',
    'APT::Architectures { "amd64"; };',
    'Acquire::Languages "none";',
    'APT::Sandbox::User "root";',
    // Whatever is asked, nothing may ever be installed on the machine.
    'APT::Get::Simulate "true";',
    'Dir::Bin::dpkg "/bin/false";',
    "",
  ].join("\n");
}
