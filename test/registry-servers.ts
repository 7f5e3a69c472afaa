import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Descriptor } from "../src/image/index.ts";
import { openStore, type Store } from "../src/store/index.ts";
import { sampleImage, sampleIndex } from "../src/store/sample-image.contract.ts";
import { program } from "./program.ts";

/** A registry of its own process, on a free port of the loopback interface. */
export interface RegistryProcess {
  readonly port: number;
  readonly pid: number;
  /** As references name it. */
  readonly host: string;
  /** What it wrote to standard error so far. */
  log(): string;
  /** Ends it, and waits until it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** What other tools are tried with: a store with two names, and what a server is guarded by. */
export interface ToolsPlace {
  readonly store: Store;
  /** `tools/image:1` */
  readonly image: Descriptor;
  /** `tools/index:1` */
  readonly index: Descriptor;
  /** For the server: a certificate for 127.0.0.1, which is its own authority, in `ca.crt` of the place. */
  readonly tls: readonly string[];
  /** For the server: `ada` may use it with the password `love:lace`. */
  readonly htpasswd: readonly string[];
}

/** Makes in a directory what other tools are tried with. */
export async function toolsPlace(place: string): Promise<ToolsPlace> {
  const store = await openStore(join(place, "store"), { create: true });
  const image = await sampleImage(store);
  const index = await sampleIndex(store, "i");
  await store.tag("tools/image:1", image);
  await store.tag("tools/index:1", index);
  const users = join(place, "users");
  execFileSync("htpasswd", ["-B", "-b", "-c", users, "ada", "love:lace"], { stdio: "ignore" });
  const [certificate, key] = [join(place, "ca.crt"), join(place, "key.pem")];
  const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const files = ["-keyout", key, "-out", certificate];
  execFileSync("openssl", ["req", "-x509", ...kind, ...subject, ...files], { stdio: "ignore" });
  return {
    ...{ store, image, index },
    tls: ["--tls-cert", certificate, "--tls-key", key],
    htpasswd: ["--htpasswd", users],
  };
}

/** Starts `whittle serve` over a store. */
export async function whittleServe(
  store: string,
  flags: readonly string[] = [],
  port = 0,
): Promise<RegistryProcess> {
  const words = ["--store", store, "serve", "--listen", `127.0.0.1:${port}`, ...flags];
  return started(
    spawn(process.execPath, [program, ...words], { stdio: ["ignore", "pipe", "pipe"] }),
    "stdout",
  );
}

/**
 * Starts Debian's docker-registry over a directory.
 *
 * @param settings - further lines of its configuration
 * @param http - further members of its `http`, in braces' form
 */
export async function dockerRegistry(directory: string, settings = "", http = ""): Promise<RegistryProcess> {
  mkdirSync(directory, { recursive: true });
  const storage = `filesystem: {rootdirectory: ${join(directory, "data")}}, delete: {enabled: true}`;
  const config = `version: 0.1\nstorage: {${storage}}\nhttp: {addr: "127.0.0.1:0"${http}}\n${settings}`;
  writeFileSync(join(directory, "config.yml"), config);
  const child = spawn("docker-registry", ["serve", join(directory, "config.yml")], {
    env: { ...process.env, OTEL_TRACES_EXPORTER: "none" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return started(child, "stderr");
}

async function started(child: ChildProcess, says: "stdout" | "stderr"): Promise<RegistryProcess> {
  const texts = { stdout: "", stderr: "" };
  const exited = once(child, "exit");
  const port = await new Promise<number>((resolve, reject) => {
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
        texts[name] += chunk;
        const found = /(?:https?:\/\/|listening on )127\.0\.0\.1:(\d+)/.exec(texts[says])?.[1];
        if (found !== undefined) resolve(Number(found));
      });
    }
    child.on("error", reject);
    child.on("exit", () => reject(new Error(`the registry ended: ${texts.stderr}`)));
  });
  return {
    port,
    pid: child.pid ?? 0,
    host: `127.0.0.1:${port}`,
    log: () => texts.stderr,
    stop: async (signal = "SIGTERM") => {
      child.kill(signal);
      await exited;
    },
  };
}
