import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openArchive, openIndex, openPackage, packageEffects, resolve, unpack } from "../src/debian/index.ts";
import { cacheDirectory, quietWork } from "../src/io/index.ts";
import type { Tree } from "../src/tree/index.ts";

// What mmdebstrap installs, with all maintainer scripts run, against what we unpack without running any.

const suite = "trixie";
const include = ["ca-certificates", "nginx-light", "busybox", "dbus", "gawk", "mawk", "less", "tzdata"];

/** Differences that are meant, each with its reason. */
const exceptions: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/^\/(?:dev|proc|sys)(?:\/|$)/, "belongs to whoever runs a container"],
  [
    /^\/var\/lib\/(?:dpkg|apt|systemd|pam|ucf|shells\.state|private|wtmpdb)(?:\/|$)/,
    "databases of the package manager and services",
  ],
  [/^\/var\/cache\//, "caches"],
  [
    /^\/var\/log\/(?:apt|dpkg\.log|alternatives\.log|bootstrap\.log|README|journal|private)/,
    "logs of the installation",
  ],
  [/^\/etc\/(?:rc[0-9S]\.d|systemd)(?:\/|$)/, "services are not enabled: nothing starts them"],
  [/^\/etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-$/, "backups of the account files"],
  [/^\/etc\/(?:shadow|gshadow)$/, "they say when a password was set, which is never the same"],
  [/^\/etc\/\.pwd\.lock$/, "a lock file"],
  [/^\/etc\/ld\.so\.cache$/, "only saves time"],
  [
    /^\/etc\/(?:machine-id|hostname|hosts|resolv\.conf|fstab|mtab|environment|vconsole\.conf)$/,
    "belongs to a machine",
  ],
  [/^\/etc\/default\/locale$/, "no locale is chosen"],
  [/^\/etc\/apt\/sources\.list(?:\.d\/.*)?$/, "written by mmdebstrap"],
  [/^\/etc\/pam\.d\/common-/, "pam-auth-update asks questions"],
  [
    /^\/etc\/(?:shells|inputrc|security\/opasswd|hosts\.(?:allow|deny))$/,
    "conveniences of interactive systems",
  ],
  [/^\/etc\/credstore/, "made by systemd-tmpfiles at boot"],
  [/^\/usr\/local\/share\/ca-certificates$/, "a place for the administrator"],
  [/^\/run\/lock\/subsys$/, "made by systemd-tmpfiles at boot"],
];

let directory: string;
let root: string;
let ours: Tree;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "whittle-effects-"));
  root = join(directory, "root");
  const options = {
    suite,
    architectures: ["amd64"],
    cacheDirectory: cacheDirectory(),
    environment: process.env,
    updates: false,
    security: false,
  };
  const archive = await openArchive(options, quietWork);
  const [release] = archive.suites;
  execFileSync(
    "mmdebstrap",
    [
      "--quiet",
      "--variant=minbase",
      "--architectures=amd64",
      `--include=${include.join(",")}`,
      suite,
      root,
      release?.mirror ?? "",
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const installed = [
    ...readFileSync(join(root, "var/lib/dpkg/status"), "utf8").matchAll(/^Package: (.*)$/gm),
  ];
  const indexes = await Promise.all(
    (await archive.indexes("amd64")).map((file) => openIndex(file, options.cacheDirectory)),
  );
  const { packages } = resolve(indexes, {
    architecture: "amd64",
    packages: installed.map(([, name = ""]) => name),
  });
  const opened = await Promise.all(
    packages.map(async (record) =>
      openPackage(await archive.fetch(record, quietWork), record, options.cacheDirectory, quietWork),
    ),
  );
  ours = (await packageEffects(await unpack(opened, quietWork), opened)).tree;
}, 600_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Path to a line that says all that should be the same. */
function theirs(): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (at: string): void => {
    for (const name of readdirSync(join(root, at))) {
      const path = `${at}/${name}`;
      const stat = lstatSync(root + path);
      const owner = `${stat.uid}:${stat.gid} ${(stat.mode & 0o7777).toString(8)}`;
      if (stat.isSymbolicLink()) found.set(path, `link ${readlinkSync(root + path)}`);
      else if (stat.isFile()) found.set(path, `file ${owner} ${digestOf(root + path)}`);
      else found.set(path, `${stat.isDirectory() ? "directory" : "other"} ${owner}`);
      if (stat.isDirectory()) walk(path);
    }
  };
  walk("");
  return found;
}

function digestOf(path: string): string {
  return `sha256:${createHash("sha256").update(readFileSync(path)).digest("hex")}`;
}

function mine(): Map<string, string> {
  return new Map(
    [...ours.entries()].map(([path, entry]) => {
      const owner = `${entry.uid}:${entry.gid} ${entry.mode.toString(8)}`;
      if (entry.type === "symlink") return [path, `link ${entry.target}`];
      return [
        path,
        entry.type === "file" ? `file ${owner} ${entry.content.digest}` : `${entry.type} ${owner}`,
      ];
    }),
  );
}

it("gives what an installation gives, but for what is meant to differ", () => {
  const [wanted, found] = [theirs(), mine()];
  const isException = (path: string): boolean => exceptions.some(([pattern]) => pattern.test(path));
  const differences = [...new Set([...wanted.keys(), ...found.keys()])]
    .filter((path) => !isException(path) && wanted.get(path) !== found.get(path))
    .sort()
    .map((path) => `${path}: ${found.get(path) ?? "nothing"}, installed: ${wanted.get(path) ?? "nothing"}`);
  expect(differences).toEqual([]);
  expect(wanted.size).toBeGreaterThan(5000);
});
